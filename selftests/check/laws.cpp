// SPDX-License-Identifier: GPL-2.0
#include "law.hpp"

#include <iterator>
#include <stdexcept>

namespace check {

namespace {

struct NeedRow {
    Need need;
    const char* text;
    const char* missing;
    bool (*has)(const Subject& subject);
};

constexpr NeedRow need_rows[] = {
    {Need::get_pfn, "get_pfn", "the exporter has no get_pfn",
     [](const Subject& subject) { return subject.has_get_pfn; }},
    {Need::no_get_pfn, "no get_pfn", "the exporter has get_pfn",
     [](const Subject& subject) { return !subject.has_get_pfn; }},
    {Need::attributes, "get_pfn_attrs", "the exporter has no get_pfn_attrs",
     [](const Subject& subject) { return subject.has_attributes; }},
    {Need::reference, "PFNs from elsewhere", "this source has no PFNs from elsewhere",
     [](const Subject& subject) { return !subject.source.references.empty(); }},
    {Need::iommufd, "a device of VFIO without an IOMMU",
     "iommufd tells the PFNs only of a device of VFIO that has no IOMMU",
     [](const Subject& subject) { return subject.source.iommufd.has_value(); }},
    {Need::invalidation, "a way to take the pages away",
     "this source cannot take the pages away; see --revoke-by",
     [](const Subject& subject) { return !subject.source.invalidations.empty(); }},
    {Need::writable, "pages that a test may write",
     "a test may not write to the pages of this source",
     [](const Subject& subject) { return subject.source.may_write; }},
    {Need::real_pages, "pages of memory or of a device",
     "the pages of this source are neither memory nor a device's",
     [](const Subject& subject) { return subject.source.has_real_pages; }},
    {Need::distinct, "a source that repeats no page", "this source may repeat pages",
     [](const Subject& subject) { return subject.source.has_distinct_pages; }},
    {Need::another, "a source that makes more than one buffer", "this source has only one buffer",
     [](const Subject& subject) { return static_cast<bool>(subject.make_another); }},
    {Need::sibling, "a second buffer of the same device",
     "this source has no second buffer of the same device",
     [](const Subject& subject) { return subject.source.sibling.has_value(); }},
    {Need::two_buffers, "a second buffer", "this source has only one buffer",
     [](const Subject& subject) {
         return subject.source.sibling || static_cast<bool>(subject.make_another);
     }},
    {Need::harmless, "something that takes no page away",
     "this source knows nothing that takes no page away",
     [](const Subject& subject) { return subject.source.harmless.has_value(); }},
    {Need::refusal, "a buffer that the exporter must refuse to make",
     "this source knows no buffer that the exporter must refuse to make",
     [](const Subject& subject) { return static_cast<bool>(subject.source.make_refused); }},
};

const NeedRow& row_of(Need need) {
    for (const NeedRow& row : need_rows)
        if (row.need == need)
            return row;
    throw std::logic_error("a need without a row");
}

} // namespace

const char* text_of(Need need) {
    return row_of(need).text;
}

std::string missing(Need need, const Subject& subject) {
    const NeedRow& row = row_of(need);

    return row.has(subject) ? "" : row.missing;
}

std::vector<Law> all_laws() {
    std::vector<Law> laws;

    for (const auto& family : {page_laws, block_laws, agreement_laws, byte_laws, importer_laws,
                               lifetime_laws, concurrency_laws, notice_laws, invalidation_laws}) {
        std::vector<Law> more = family();

        std::ranges::move(more, std::back_inserter(laws));
    }
    return laws;
}

} // namespace check
