/* SPDX-License-Identifier: GPL-2.0 */
/* The buffer in the page table of this process, through the exporter's mmap. */
#pragma once

#include <cstdint>
#include <vector>

#include "subject.hpp"

namespace check {

/* Maps the whole buffer. */
testexp::Result<testexp::Mapping> map_buffer(const Subject& subject);

/* As map_buffer(). Skips where the exporter has no mmap, or refuses one for this buffer. */
testexp::Mapping map_or_skip(const Subject& subject);

struct MappedPages {
    /* One entry for each answer. The error of a page without a PFN means nothing. */
    std::vector<testexp_walked> entries;

    const char* name = ""; /* where the entries come from, for messages */
    bool has_cache = false;
};

/*
 * The pages of @answers in the page table. Where the mapping is VM_PFNMAP, follow_pfnmap_start()
 * gives PFN and cache mode. Else the pagemap gives the PFN. Skips where there is neither.
 */
MappedPages mapped_pages(const Subject& subject, const std::vector<Answer>& answers);

} // namespace check
