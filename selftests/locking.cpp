// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: dma_buf_get_pfn() and dma_buf_get_pfn_attrs() need the reservation lock, the unlocked form
 * may sleep, an exporter's callback always runs with the lock held, and an importer's lock may be
 * taken inside it (P7).
 *
 * Method: the module calls without the lock, and in atomic context (MISUSE). lockdep and
 * DEBUG_ATOMIC_SLEEP must report each of these calls once, and nothing when the calls are right.
 *
 * Does not see: reports that switch lockdep off (lockdep_splats). Skips without lockdep.
 */
#include "fixture.hpp"
#include "kmsg.hpp"

using namespace testexp;

namespace {

int misuse_or_skip(testexp_misuse_case which, const char* option) {
    REQUIRE(device().has(TESTEXP_FEAT_MISUSE), "load the module with allow_misuse=1");

    const Result<int> result = device().misuse(which);

    if (result.code() == EOPNOTSUPP)
        ksft::skip(std::string("no check would report this: needs a kernel with ") + option);
    return result.value();
}

std::vector<std::string> lines_with(const std::vector<std::string>& lines,
                                    const std::string& text) {
    std::vector<std::string> found;

    for (const std::string& line : lines)
        if (line.find(text) != std::string::npos)
            found.push_back(line);
    return found;
}

/*
 * The core reports before it calls the exporter, which checks as well; the exporter's count shows
 * that its check works.
 */
void lock_missing() {
    Kmsg log;
    const int result = misuse_or_skip(TESTEXP_MISUSE_LOCK_MISSING, "CONFIG_PROVE_LOCKING");
    const std::vector<std::string> warnings = lines_with(log.new_lines(), "WARNING: ");

    /* The check reports but does not refuse. */
    ksft::expect_eq(result, 0, "result");
    if (!ksft::expect_eq(warnings.size(), 2, "warnings"))
        return;
    ksft::expect_eq(lines_with({warnings[0]}, "exporter_get_pfn").size(), 0,
                    "the core reports first, not the exporter");
    ksft::expect_eq(lines_with({warnings[0]}, "_get_pfn").size(), 1, "the core's get_pfn");
    ksft::expect_eq(lines_with({warnings[1]}, "exporter_get_pfn").size(), 1,
                    "the exporter reports second");
}

void lock_missing_for_attrs() {
    Kmsg log;
    const int result = misuse_or_skip(TESTEXP_MISUSE_ATTRS_LOCK_MISSING,
                                      "CONFIG_PROVE_LOCKING and dma_buf_get_pfn_attrs()");
    const std::vector<std::string> warnings = lines_with(log.new_lines(), "WARNING: ");

    ksft::expect_eq(result, 0, "result");
    ksft::expect_eq(warnings.size(), 1, "warnings");
    ksft::expect_eq(lines_with(warnings, "get_pfn_attrs").size(), 1, "warnings of the core");
}

void atomic() {
    Kmsg log;
    const int result = misuse_or_skip(TESTEXP_MISUSE_ATOMIC, "CONFIG_DEBUG_ATOMIC_SLEEP");
    const std::vector<std::string> lines = log.new_lines();

    ksft::expect_eq(result, 0, "result");
    ksft::expect_eq(lines_with(lines, "BUG: sleeping function called from invalid context").size(),
                    1, "reports of might_sleep()");
    ksft::expect_eq(lines_with(lines, "WARNING: ").size(), 0, "warnings");
}

void nested() {
    expect_warnings(0, [] {
        ksft::expect_eq(misuse_or_skip(TESTEXP_MISUSE_LOCK_NESTED, "CONFIG_PROVE_LOCKING"), 0,
                        "result");
    });
}

/* All callbacks that the core calls under the lock, through all calls that lead to them. */
void callbacks_are_locked(std::uint32_t create_flags, std::uint32_t attach_flags) {
    REQUIRE(device().has(TESTEXP_FEAT_LOCKDEP), "get_pfn checks its lock with lockdep only");
    expect_warnings(0, [&] {
        const Buffer buffer =
            device().create({.layout = Layout{}.ram(2), .flags = create_flags}).value();

        {
            const Importer importer = device().attach(buffer.fd.get(), attach_flags).value();

            for (const Form& form : forms)
                ksft::expect_eq(importer.resolve(0, 2, 1, form.flags).code(), 0, form.name);
            ksft::expect_eq(importer.map().code(), 0, "map");
        }
        const testexp_stats stats = device().stats(buffer.fd.get()).value();

        ksft::expect_eq(stats.detaches, 1, "detaches");
        ksft::expect_eq(stats.lock_violations, 0, "callbacks without the reservation lock");
    });
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const bool dynamic_exporter : {false, true})
        for (const bool dynamic_importer : {false, true})
            plan.add(std::string("P7.callbacks_are_locked[exporter=") +
                         (dynamic_exporter ? "dynamic" : "static") +
                         ",importer=" + (dynamic_importer ? "dynamic]" : "static]"),
                     [=] {
                         callbacks_are_locked(dynamic_exporter ? TESTEXP_CREATE_DYNAMIC : 0U,
                                              dynamic_importer ? TESTEXP_ATTACH_DYNAMIC : 0U);
                     });
    plan.add("P7.importers_lock_nested", nested);
    plan.add("P7.lock_missing[form=locked]", lock_missing);
    plan.add("P7.lock_missing[call=get_pfn_attrs]", lock_missing_for_attrs);
    plan.add("P7.atomic[form=unlocked]", atomic);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
