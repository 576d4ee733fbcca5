/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The paths of MEASURE, DELIVER and CONTEND as data: one row for each path. Tests, benchmarks and
 * reports read these rows; none of them has a list of its own that says how a path behaves.
 */
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string_view>

#include "testexp_uapi.h"

namespace testexp {

/* What a path asks for the pages. */
enum class Source {
    none,       /* nothing: a baseline */
    get_pfn,    /* get_pfn of the core, or the exporter's callback itself */
    sg_table,   /* the DMA mapping of the buffer */
    page_table, /* the page table of this process: the caller has to map the buffer */
    phys_list,  /* the exporter's list of physical ranges */
};

/* The size of the leaves that a path finds in the page table. */
enum class Leaf {
    none, /* it reads no page table */
    pte,
    pmd,
};

/* What one entry of DELIVER is. */
enum class Unit {
    page,
    block, /* the rest of a block of 2^max_order pages */
    run,   /* a physically contiguous run of pages of one kind */
};

struct Path {
    testexp_path id = TESTEXP_PATH_EMPTY;
    const char* name = "";
    const char* operation = "";  /* what one operation is */
    const char* delivers = "";   /* what the importer gets; "" for a baseline */
    const char* lock = "";       /* what is held while it resolves */
    const char* after_move = ""; /* how an importer that keeps the answer learns of a move */

    Source source = Source::none;
    Leaf leaf = Leaf::none;
    Unit unit = Unit::page;
    bool whole_window = false; /* one operation resolves all of the window */
    bool one_lock = false;     /* an operation takes the reservation lock once, and drops it */
    bool one_hold = false;     /* a batch holds the reservation lock once, for all its operations */
    bool any_sequence = false; /* it takes pages in any order, not only FORWARD */
    bool faults = false;       /* each operation takes a page fault; a batch asks for a page once */

    constexpr bool is_baseline() const { return source == Source::none; }

    /* Whether it needs the address of a mapping of the buffer. */
    constexpr bool needs_mapping() const { return source == Source::page_table; }

    /* TESTEXP_FEAT_* that the module must have. */
    constexpr std::uint32_t features() const {
        return (needs_mapping() ? TESTEXP_FEAT_WALK : 0U) |
               (leaf == Leaf::pmd ? TESTEXP_FEAT_HUGE : 0U);
    }

    /* TESTEXP_CREATE_* that the buffer must have. */
    constexpr std::uint32_t create_flags() const {
        return leaf == Leaf::pmd ? TESTEXP_CREATE_HUGE : 0U;
    }
};

// clang-format off
inline constexpr Path paths[] = {
    {.id = TESTEXP_PATH_EMPTY, .name = "empty_loop", .operation = "the loop alone",
     .delivers = "", .lock = "none", .after_move = "",
     .any_sequence = true},
    {.id = TESTEXP_PATH_LOCK_UNLOCK, .name = "lock_unlock",
     .operation = "reservation lock + unlock",
     .delivers = "", .lock = "reservation lock", .after_move = "",
     .one_lock = true},
    {.id = TESTEXP_PATH_GET_PFN, .name = "get_pfn", .operation = "one unlocked call, a page",
     .delivers = "PFN, order", .lock = "reservation lock, each call", .after_move = "move_notify",
     .source = Source::get_pfn, .one_lock = true, .any_sequence = true},
    {.id = TESTEXP_PATH_GET_PFN_STRIDE, .name = "get_pfn_stride",
     .operation = "one unlocked call, a block",
     .delivers = "PFN, order", .lock = "reservation lock, each call", .after_move = "move_notify",
     .source = Source::get_pfn, .unit = Unit::block, .one_lock = true},
    {.id = TESTEXP_PATH_GET_PFN_BATCH, .name = "get_pfn_batch",
     .operation = "one locked call, a page",
     .delivers = "PFN, order", .lock = "reservation lock, each batch", .after_move = "move_notify",
     .source = Source::get_pfn, .one_hold = true, .any_sequence = true},
    {.id = TESTEXP_PATH_SGT_MAP, .name = "sgt_map", .operation = "map, walk, unmap",
     .delivers = "DMA address, length", .lock = "reservation lock, in map and unmap",
     .after_move = "move_notify",
     .source = Source::sg_table, .unit = Unit::run, .whole_window = true},
    {.id = TESTEXP_PATH_EXPORTER_OP, .name = "exporter_op",
     .operation = "the exporter's callback alone",
     .delivers = "PFN, order", .lock = "reservation lock, each batch", .after_move = "move_notify",
     .source = Source::get_pfn, .one_hold = true, .any_sequence = true},
    {.id = TESTEXP_PATH_SGT_CACHED, .name = "sgt_cached",
     .operation = "one segment of a kept mapping",
     .delivers = "DMA address, length", .lock = "none",
     .after_move = "move_notify; the buffer cannot move until it is unmapped",
     .source = Source::sg_table, .unit = Unit::run},
    {.id = TESTEXP_PATH_SGT_DMA_TO_PHYS, .name = "sgt_dma_to_phys",
     .operation = "one page of a kept mapping",
     .delivers = "PFN, wrong behind an IOMMU or swiotlb", .lock = "none",
     .after_move = "move_notify; the buffer cannot move until it is unmapped",
     .source = Source::sg_table},
    {.id = TESTEXP_PATH_FOLLOW_PFNMAP_PTE, .name = "follow_pfnmap_pte",
     .operation = "walk of the page table to a PTE",
     .delivers = "PFN, cache mode, writable", .lock = "mmap lock (read), page table lock",
     .after_move = "MMU notifier",
     .source = Source::page_table, .leaf = Leaf::pte, .any_sequence = true},
    {.id = TESTEXP_PATH_FOLLOW_PFNMAP_PMD, .name = "follow_pfnmap_pmd",
     .operation = "walk of the page table to a PMD",
     .delivers = "PFN, cache mode, writable", .lock = "mmap lock (read), page table lock",
     .after_move = "MMU notifier",
     .source = Source::page_table, .leaf = Leaf::pmd, .any_sequence = true},
    {.id = TESTEXP_PATH_FOLLOW_PFNMAP_COLD, .name = "follow_pfnmap_cold",
     .operation = "walk, fault, walk",
     .delivers = "PFN, cache mode, writable",
     .lock = "mmap lock (read), page table lock; reservation lock in the fault",
     .after_move = "MMU notifier",
     .source = Source::page_table, .leaf = Leaf::pte, .one_lock = true, .any_sequence = true,
     .faults = true},
    {.id = TESTEXP_PATH_PHYS_LIST, .name = "phys_list",
     .operation = "the exporter's list of ranges, walked",
     .delivers = "physical address, length", .lock = "reservation lock, each list",
     .after_move = "move_notify, by agreement",
     .source = Source::phys_list, .unit = Unit::run, .whole_window = true, .one_lock = true},
    {.id = TESTEXP_PATH_GET_PFN_BATCH_STRIDE, .name = "get_pfn_batch_stride",
     .operation = "one locked call, a block",
     .delivers = "PFN, order", .lock = "reservation lock, each batch", .after_move = "move_notify",
     .source = Source::get_pfn, .unit = Unit::block, .one_hold = true},
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
