// SPDX-License-Identifier: GPL-2.0
#include "counts.hpp"

#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <thread>

#include <sys/stat.h>

#include "bufinfo.hpp"
#include "fixture.hpp"
#include "limits.hpp"
#include "module.hpp"

namespace check {

using namespace testexp;

namespace {

/* No lines where this kernel has no bufinfo. */
std::vector<std::string> lines_of_bufinfo() {
    try {
        return bufinfo_lines();
    } catch (const ksft::Skip&) {
        return {};
    }
}

/* 0 where this kernel does not show the number: it needs CONFIG_MODULE_UNLOAD. */
std::uint64_t references() {
    try {
        return module_references();
    } catch (const std::runtime_error&) {
        return 0;
    }
}

} // namespace

std::optional<std::uint64_t> attachments_in_bufinfo(const Subject& subject) {
    struct stat status = {};
    bool is_ours = false;
    std::uint64_t count = 0;

    if (fstat(subject.fd(), &status) < 0)
        ksft::fail(errno_error("fstat").what);
    for (const std::string& line : lines_of_bufinfo()) {
        if (const auto listed = listed_buffer(line))
            is_ours = listed->inode == status.st_ino;
        if (is_ours && std::sscanf(line.c_str(), "Total %lu devices attached", &count) == 1)
            return count;
    }
    return std::nullopt;
}

Counts count_all(const Subject& subject) {
    const testexp_info info = device().read_info().value();
    Counts counts{{"buffers of the module", info.nr_buffers},
                  {"importers", info.nr_importers},
                  {"pages that the module holds", info.used_pages},
                  {"references to the module", references()},
                  {"the next free descriptor", static_cast<std::uint64_t>(next_fd())}};

    if (!subject.source.is_testexp)
        return counts;

    const testexp_stats stats = device().stats(subject.fd()).value();

    counts["pins held"] = stats.pins - stats.unpins;
    counts["mappings held"] = stats.maps - stats.unmaps;
    counts["attachments"] = stats.attaches - stats.detaches;
    counts["lock violations"] = stats.lock_violations;
    return counts;
}

void expect_counts(const Subject& subject, const Counts& before, const std::string& when) {
    using std::chrono::steady_clock;
    const auto give_up = steady_clock::now() + std::chrono::seconds(20); /* the kernel keeps it */
    Counts after = count_all(subject);

    while (after != before && steady_clock::now() < give_up) {
        std::this_thread::sleep_for(limits::look_again);
        after = count_all(subject);
    }
    for (const auto& [name, value] : after)
        ksft::expect_eq(value, before.at(name), name + ", " + when);
}

} // namespace check
