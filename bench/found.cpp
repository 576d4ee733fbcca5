// SPDX-License-Identifier: GPL-2.0
#include "found.hpp"

#include <bit>
#include <cerrno>
#include <system_error>

#include "paths.hpp"

namespace bench {

namespace {

using testexp::Path;
using testexp::Source;

/* A fault of udmabuf maps all pages, for about 700 instructions each. */
constexpr std::uint64_t max_faulted_pages = 4096;

std::string text_of(int error) {
    return std::generic_category().message(error);
}

/* Why get_pfn gives no PFN for the page @pgoff. @error: a positive errno. */
std::string why_no_pfn(std::size_t pgoff, int error) {
    if (pgoff == 0 && error == EINVAL)
        return "get_pfn, which this exporter does not have";
    return "a PFN for every page; get_pfn of page " + std::to_string(pgoff) +
           " fails: " + text_of(error);
}

} // namespace

std::map<std::string, double> Found::counters() const {
    std::map<std::string, double> values;

    if (runs != 0)
        values["runs"] = static_cast<double>(runs);
    for (const auto& [order, nr_pages] : pages_by_order)
        values["order_" + std::to_string(order)] = static_cast<double>(nr_pages);
    return values;
}

void add_pages(Found& found, std::span<const testexp_result> pages) {
    for (std::size_t i = 0; i < pages.size(); i++) {
        if (pages[i].error != 0) {
            found = {.no_pfn = why_no_pfn(i, -pages[i].error),
                     .no_map = found.no_map,
                     .runs = 0,
                     .pages_by_order = {}};
            return;
        }
        if (i == 0 || pages[i].pfn != pages[i - 1].pfn + 1)
            found.runs++;
        found.pages_by_order[pages[i].max_order]++;
    }
}

void add_segments(Found& found, std::span<const testexp_map_entry> segments) {
    if (found.no_pfn.empty())
        return;
    for (std::size_t i = 0; i < segments.size(); i++)
        if (i == 0 ||
            segments[i].dma_address != segments[i - 1].dma_address + segments[i - 1].length_bytes)
            found.runs++;
}

bool is_lack_of_exporter(int code) {
    return code == EINVAL || code == EOPNOTSUPP || code == ENODEV;
}

std::string text_of_bytes(std::uint64_t bytes) {
    constexpr unsigned int kib_shift = 10, mib_shift = 20;
    const bool is_whole = bytes % (std::uint64_t{1} << mib_shift) == 0;

    return std::to_string(bytes >> (is_whole ? mib_shift : kib_shift)) +
           (is_whole ? " MiB" : " KiB");
}

std::string what_is_lacking(const Case& row, const Found& found, bool icount) {
    const Path& path = testexp::path_row(row.spec.path);

    switch (path.source) {
    case Source::get_pfn:
        if (!found.no_pfn.empty())
            return found.no_pfn;
        break;
    case Source::sg_table:
        if (!found.no_map.empty())
            return found.no_map;
        break;
    case Source::phys_list:
        return "the test exporter, which alone has a list of its ranges";
    case Source::none:
    case Source::page_table:
        break;
    }
    if (row.spec.sequence == TESTEXP_SEQUENCE_RANDOM && !std::has_single_bit(row.spec.nr_pages))
        return "a power of two as the number of pages";
    if (!icount)
        return "";
    if (path.faults && row.spec.nr_pages > max_faulted_pages)
        return "an operation shorter than a timer period, or ticks are counted too: a fault may "
               "map the whole buffer, so " +
               std::to_string(max_faulted_pages) + " pages at most, not " +
               std::to_string(row.spec.nr_pages);
    return why_not_countable(path, found.runs);
}

testexp::Error explain_measure(const Case& row, const testexp::Error& error) {
    const Path& path = testexp::path_row(row.spec.path);
    const auto lacking = [&error](const std::string& what) {
        return testexp::Error{error.code, requires_prefix + what};
    };

    if (path.source != Source::page_table)
        return error;
    if (error.code == EINVAL)
        return lacking("a CPU mapping of the exporter that is VM_PFNMAP");
    if (error.code == ENODATA)
        return lacking(path.leaf == testexp::Leaf::pmd ? "an exporter that maps PFNs by PMDs"
                                                       : "an exporter that maps PFNs by PTEs");
    if (error.code == EFAULT && path.faults)
        return lacking("an exporter whose CPU mapping has a fault handler");
    return error;
}

} // namespace bench
