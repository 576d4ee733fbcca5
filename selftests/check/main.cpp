// SPDX-License-Identifier: GPL-2.0
/*
 * dmabuf-check: does the get_pfn of an exporter keep the contract?
 *
 * Takes a dma-buf of any exporter from a source, and checks each law of law.hpp on it. The module
 * is the importer. KTAP goes to standard output; what prevents a check goes to standard error, in
 * one line.
 *
 * Does not see: what only the exporter knows, such as a PFN that is wrong in the same way in
 * get_pfn, map_dma_buf and mmap. A reference value of the source closes this gap.
 */
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>

#include "fixture.hpp"
#include "kmsg.hpp"
#include "law.hpp"
#include "options.hpp"
#include "revoke_command.hpp"

using namespace check;

namespace {

constexpr int cannot_run = 2;

void list_laws() {
    for (const Law& law : all_laws()) {
        std::string needs;

        for (const Need need : law.needs)
            needs += (needs.empty() ? "" : ", ") + std::string(text_of(need));
        if (!law.also.empty())
            needs += (needs.empty() ? "" : ", ") + law.also;
        std::printf("%s\n    %s\n    needs: %s\n", law.name.c_str(), law.requirement.c_str(),
                    needs.empty() ? "nothing more than a dma-buf" : needs.c_str());
    }
}

void check_law(const Law& law, const Subject& subject) {
    for (const Need need : law.needs)
        if (const std::string why = missing(need, subject); !why.empty())
            ksft::skip(why);

    testexp::Kmsg log;
    const auto judge = [&] {
        expect_no_bugs(log.new_bugs());
        if (ksft::failures_so_far())
            ksft::note("the requirement: " + law.requirement);
    };

    try {
        law.run(subject);
    } catch (...) { /* a skip or a failure; the log counts all the same */
        judge();
        throw;
    }
    judge();
}

/* The case for a callback that the user requires with --require. */
std::string name_of_requirement(Need need) {
    return std::string("required[") + text_of(need) + "]";
}

void add_requirements(ksft::Plan& plan, const Subject& subject, const std::vector<Need>& needs) {
    for (const Need need : needs)
        plan.add(name_of_requirement(need), [&subject, need] {
            if (const std::string why = missing(need, subject); !why.empty())
                ksft::fail(why);
        });
}

/* Refuses a text that is in no name, before anything is made or started. */
void check_only(const Options& options) {
    std::vector<std::string> names;
    std::istringstream patterns(options.only);

    for (const Need need : options.required)
        names.push_back(name_of_requirement(need));
    for (const Law& law : all_laws())
        names.push_back(law.name);
    for (std::string pattern; std::getline(patterns, pattern);)
        if (std::ranges::none_of(
                names, [&](const std::string& name) { return ksft::matches(name, pattern); }))
            throw std::runtime_error("--only: no law has '" + pattern +
                                     "' in its name; see --list");
}

int check_all(const Subject& subject, const Options& options) {
    const int status = ksft::run([&](ksft::Plan& plan) {
        ksft::note(summary_of(subject));
        add_requirements(plan, subject, options.required);
        for (const Law& law : all_laws())
            plan.add(law.name, [&subject, law] { check_law(law, subject); });
    });
    const ksft::Totals totals = ksft::totals();

    std::printf("%u passed, %u failed, %u skipped\n", totals.passed, totals.failed, totals.skipped);
    return status;
}

Subject subject_of(const Options& options) {
    (void)testexp::device();

    testexp::Kmsg log;
    Source source = options.kind->make(options.argument, options.settings);

    if (!options.revoke_by.empty())
        source.invalidations.push_back(
            invalidation_by(options.revoke_by, options.restore_by, options.revoke_timeout));

    Subject subject = make_subject(std::move(source), options.page_limit);

    subject.make_another = subject.source.make_another;
    if (options.kind->makes_many)
        subject.make_another = [options] {
            return options.kind->make(options.argument, options.settings);
        };
    subject.first_bugs = log.new_bugs();
    return subject;
}

/* The harness reads these options from the environment, as selftests/run sets them. */
void set_environment(const Options& options) {
    if (options.quick)
        setenv("TESTEXP_QUICK", "1", 1);
    if (!options.only.empty())
        setenv("KSFT_CASES", options.only.c_str(), 1);
}

int run(const Options& options) {
    if (options.help) {
        (void)std::fputs(help_text().c_str(), stdout);
        return EXIT_SUCCESS;
    }
    if (options.list) {
        list_laws();
        return EXIT_SUCCESS;
    }
    check_only(options);
    set_environment(options);

    const Subject subject = subject_of(options);

    return check_all(subject, options);
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(parse({argv, static_cast<std::size_t>(argc)}));
    } catch (const std::exception& error) { /* also ksft::Skip: the module is missing */
        (void)std::fprintf(stderr, "dmabuf-check: %s\n", error.what());
        return cannot_run;
    }
}
