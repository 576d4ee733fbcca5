// SPDX-License-Identifier: GPL-2.0
#include "map_trace.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.hpp"
#include "not_judged.hpp"
#include "trace_lines.hpp"

namespace testexp {

namespace {

const std::string tracefs = "/sys/kernel/tracing";

/* A stream that appends would seek to the end first, which tracefs refuses. */
bool write_to(const std::string& path, const std::string& text) {
    const Fd file(open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));

    return write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

/* The number behind "name=" in a line of the trace. */
std::uint64_t value_of(const std::string& line, const std::string& name) {
    const auto at = line.find(' ' + name + '=');

    if (at == std::string::npos)
        ksft::fail("a line of the trace has no " + name + ": " + line);
    return std::strtoull(line.c_str() + at + name.size() + 2, nullptr, 16);
}

/* Bits of MapCall::prot, as in linux/iommu.h. */
constexpr std::uint64_t prot_cache = 1U << 2;
constexpr std::uint64_t prot_mmio = 1U << 4;

/* What iommu_map() must be told about a page. */
std::uint64_t prot_of(const Page& page) {
    return (page.is_mmio() ? prot_mmio : 0) | (page.cache == TESTEXP_CACHE_WB ? prot_cache : 0);
}

std::string text_of(std::uint64_t prot) {
    return std::string(prot & prot_mmio ? "MMIO" : "RAM") +
           (prot & prot_cache ? ", write-back" : ", not write-back");
}

/* @calls: those of one domain. */
void expect_calls(const std::vector<MapCall>& calls, const std::vector<Page>& pages,
                  std::uint64_t iova, const std::string& when) {
    std::vector<int> times(pages.size());

    for (const MapCall& call : calls)
        for (std::uint64_t at = 0; at < call.bytes; at += page_bytes()) {
            const std::uint64_t pgoff = (call.iova + at - iova) / page_bytes();
            const std::string what = when + ", page " + std::to_string(pgoff);

            if (!ksft::expect(pgoff < pages.size(), what + " is in the buffer"))
                return;
            times[pgoff]++;
            ksft::expect_eq((call.physical + at) / page_bytes(), pages[pgoff].pfn, what + ": PFN");
            ksft::expect_eq(text_of(call.prot), text_of(prot_of(pages[pgoff])), what);
        }
    ksft::expect(std::ranges::all_of(times, [](int number) { return number == 1; }),
                 when + ": each page is mapped once");
}

} // namespace

MapTrace::MapTrace()
    : event_("iommu_map_" + std::to_string(getpid())), instance_(tracefs + "/instances/" + event_) {
    try {
        mount_tracefs();
    } catch (const ksft::Skip& none) {
        ksft::skip_at_end(none.reason);
        return;
    }
    if (mkdir(instance_.c_str(), 0700) < 0) {
        ksft::skip_at_end(errno_error("cannot make an instance of tracefs").what);
        return;
    }
    records_ = write_to(tracefs + "/kprobe_events",
                        "p:dmabuf/" + event_ +
                            " iommu_map domain=$arg1:x64 iova=$arg2:x64 "
                            "physical=$arg3:x64 bytes=$arg4:x64 prot=$arg5:x32\n") &&
               write_to(instance_ + "/events/dmabuf/" + event_ + "/enable", "1");
    if (!records_)
        ksft::skip_at_end("the kernel cannot trace iommu_map(): it needs CONFIG_KPROBE_EVENTS");
}

MapTrace::~MapTrace() {
    (void)write_to(instance_ + "/events/dmabuf/" + event_ + "/enable", "0");
    rmdir(instance_.c_str());
    (void)write_to(tracefs + "/kprobe_events", "-:dmabuf/" + event_ + "\n");
}

std::vector<MapCall> MapTrace::calls() const {
    std::vector<MapCall> calls;

    for (const std::string& line : trace_lines(instance_ + "/trace"))
        if (line.find(event_ + ": ") != std::string::npos)
            calls.push_back({.domain = value_of(line, "domain"),
                             .iova = value_of(line, "iova"),
                             .physical = value_of(line, "physical"),
                             .bytes = value_of(line, "bytes"),
                             .prot = value_of(line, "prot")});
    if (missed_by_kprobe(tracefs + "/kprobe_profile", event_) != 0)
        throw NotJudged("calls of iommu_map() were not traced");
    return calls;
}

void MapTrace::expect_domains(std::size_t number, const std::vector<Page>& pages,
                              std::uint64_t iova, const std::string& when) const {
    std::map<std::uint64_t, std::vector<MapCall>> domains;

    if (!records_)
        return;
    for (const MapCall& call : calls())
        domains[call.domain].push_back(call);
    ksft::expect_eq(domains.size(), number, when + ": domains that were filled");
    for (const auto& [domain, calls_of_it] : domains)
        expect_calls(calls_of_it, pages, iova, when);
}

} // namespace testexp
