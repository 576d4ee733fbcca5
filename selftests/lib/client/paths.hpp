/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The paths of MEASURE as data: how they are called in results, and what an
 * importer gets for what they cost. Tests, benchmark and report read the same rows.
 */
#pragma once

#include <algorithm>
#include <iterator>
#include <string_view>

#include "testexp_uapi.h"

namespace testexp {

struct Path {
    testexp_path id;
    const char* name;
    const char* operation;  /* what one operation is */
    const char* delivers;   /* "" for a baseline */
    const char* lock;       /* what is held while it resolves */
    const char* after_move; /* how an importer that keeps the answer learns that it went stale */
};

// clang-format off
inline constexpr Path paths[] = {
    {TESTEXP_PATH_EMPTY, "empty_loop", "the loop alone",
     "", "none", ""},
    {TESTEXP_PATH_LOCK_UNLOCK, "lock_unlock", "reservation lock + unlock",
     "", "reservation lock", ""},
    {TESTEXP_PATH_GET_PFN, "get_pfn", "one unlocked call, a page",
     "PFN, order", "reservation lock, each call", "move_notify"},
    {TESTEXP_PATH_GET_PFN_STRIDE, "get_pfn_stride", "one unlocked call, a block",
     "PFN, order", "reservation lock, each call", "move_notify"},
    {TESTEXP_PATH_GET_PFN_BATCH, "get_pfn_batch", "one locked call, a page",
     "PFN, order", "reservation lock, each batch", "move_notify"},
    {TESTEXP_PATH_SGT_MAP, "sgt_map", "map, walk, unmap",
     "DMA address, length", "reservation lock, in map and unmap", "move_notify"},
    {TESTEXP_PATH_EXPORTER_OP, "exporter_op", "the exporter's callback alone",
     "PFN, order", "reservation lock, each batch", "move_notify"},
    {TESTEXP_PATH_SGT_CACHED, "sgt_cached", "one segment of a kept mapping",
     "DMA address, length", "none", "move_notify; the buffer cannot move until it is unmapped"},
    {TESTEXP_PATH_SGT_DMA_TO_PHYS, "sgt_dma_to_phys", "one page of a kept mapping",
     "PFN, wrong behind an IOMMU or swiotlb", "none",
     "move_notify; the buffer cannot move until it is unmapped"},
    {TESTEXP_PATH_FOLLOW_PFNMAP_PTE, "follow_pfnmap_pte", "walk of the page table to a PTE",
     "PFN, cache mode, writable", "mmap lock (read), page table lock", "MMU notifier"},
    {TESTEXP_PATH_FOLLOW_PFNMAP_PMD, "follow_pfnmap_pmd", "walk of the page table to a PMD",
     "PFN, cache mode, writable", "mmap lock (read), page table lock", "MMU notifier"},
    {TESTEXP_PATH_FOLLOW_PFNMAP_COLD, "follow_pfnmap_cold", "walk, fault, walk",
     "PFN, cache mode, writable", "mmap lock (read), page table lock; reservation lock in the fault",
     "MMU notifier"},
    {TESTEXP_PATH_PHYS_LIST, "phys_list", "the exporter's list of ranges, walked",
     "physical address, length", "reservation lock, each list", "move_notify, by agreement"},
};
// clang-format on

namespace detail {

constexpr bool rows_are_in_order() {
    for (std::size_t i = 0; i < std::size(paths); i++)
        if (paths[i].id != static_cast<testexp_path>(i))
            return false;
    return std::size(paths) == TESTEXP_PATHS;
}
static_assert(rows_are_in_order());

} // namespace detail

constexpr const Path& path_row(testexp_path id) {
    return paths[id];
}

/* nullptr when there is no such path. */
constexpr const Path* find_path(std::string_view name) {
    const auto* found = std::ranges::find(paths, name, &Path::name);

    return found == std::end(paths) ? nullptr : found;
}

} // namespace testexp
