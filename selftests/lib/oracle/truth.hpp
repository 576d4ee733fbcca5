/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Section 1 of the contract as data: what happens for each importer with each exporter. There is
 * one row for each combination, and no row is computed.
 *
 * In each row an importer attaches, calls get_pfn, maps and unmaps twice, and detaches. The counts
 * are those of the exporter's pin and map callbacks: once after attach, once after everything. y
 * and n are the values of CONFIG_DMABUF_MOVE_NOTIFY.
 */
#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "testexp_uapi.h"

namespace testexp::truth {

enum class Kind { static_, dynamic };
/* both_cached: with cache_sgt_mapping */
enum class Methods { map_only, get_pfn_only, both, both_cached };

struct Row {
    Kind exporter;
    Methods methods;
    Kind importer;
    bool device;

    int create; /* results: 0 or a positive errno; never: the step is not reached */
    int attach;
    int get_pfn_y;
    int get_pfn_n;
    int map;

    int pins_at_attach;
    int maps_at_attach;
    int pins_y;
    int pins_n;
    int maps;
    int detaches;
    int pins_left;

    std::uint32_t create_flags() const;
    std::uint32_t attach_flags() const;

    /* "exporter=static,methods=both,importer=dynamic,device=yes" */
    std::string name() const;

    /* Why a module with these TESTEXP_FEAT_* cannot make this combination; nullptr if it can. */
    const char* obstacle(std::uint32_t features) const;
};

inline constexpr int never = -1;

namespace detail {

using enum Kind;
using enum Methods;
constexpr bool yes = true, no_ = false;

// clang-format off
inline constexpr Row rows[] = {
/* pins P, maps M, detaches D, pins left L                get_pfn                 att. in all
   exporter methods       importer device create  attach  y       n       map     P,M Py,Pn,M D,L */
  {static_, map_only,     static_, yes,   0,      0,      EINVAL, EINVAL, 0,      0,0, 0,0,2, 1,0},
  {static_, map_only,     static_, no_,   0,      EINVAL, never,  never,  never,  0,0, 0,0,0, 0,0},
  {static_, map_only,     dynamic, yes,   0,      0,      EINVAL, EINVAL, 0,      0,1, 0,0,1, 1,0},
  {static_, map_only,     dynamic, no_,   0,      EINVAL, never,  never,  never,  0,0, 0,0,0, 0,0},
  {static_, get_pfn_only, static_, yes,   0,      0,      0,      0,      EINVAL, 0,0, 0,0,0, 1,0},
  {static_, get_pfn_only, static_, no_,   0,      0,      0,      0,      EINVAL, 0,0, 0,0,0, 1,0},
  {static_, get_pfn_only, dynamic, yes,   0,      0,      0,      0,      EINVAL, 0,0, 0,0,0, 1,0},
  {static_, get_pfn_only, dynamic, no_,   0,      0,      0,      0,      EINVAL, 0,0, 0,0,0, 1,0},
  {static_, both,         static_, yes,   0,      0,      0,      0,      0,      0,0, 0,0,2, 1,0},
  {static_, both,         static_, no_,   0,      0,      0,      0,      EINVAL, 0,0, 0,0,0, 1,0},
  {static_, both,         dynamic, yes,   0,      0,      0,      0,      0,      0,1, 0,0,1, 1,0},
  {static_, both,         dynamic, no_,   0,      0,      0,      0,      EINVAL, 0,0, 0,0,0, 1,0},

  {dynamic, map_only,     static_, yes,   0,      0,      EINVAL, EINVAL, 0,      1,1, 1,1,1, 1,0},
  {dynamic, map_only,     static_, no_,   0,      EINVAL, never,  never,  never,  0,0, 0,0,0, 0,0},
  {dynamic, map_only,     dynamic, yes,   0,      0,      EINVAL, EINVAL, 0,      0,0, 0,2,2, 1,0},
  {dynamic, map_only,     dynamic, no_,   0,      EINVAL, never,  never,  never,  0,0, 0,0,0, 0,0},
  {dynamic, get_pfn_only, static_, yes,   0,      0,      0,      ENOENT, EINVAL, 1,0, 1,1,0, 1,0},
  {dynamic, get_pfn_only, static_, no_,   0,      0,      0,      ENOENT, EINVAL, 1,0, 1,1,0, 1,0},
  {dynamic, get_pfn_only, dynamic, yes,   0,      0,      0,      ENOENT, EINVAL, 0,0, 0,0,0, 1,0},
  {dynamic, get_pfn_only, dynamic, no_,   0,      0,      0,      ENOENT, EINVAL, 0,0, 0,0,0, 1,0},
  {dynamic, both,         static_, yes,   0,      0,      0,      ENOENT, 0,      1,1, 1,1,1, 1,0},
  {dynamic, both,         static_, no_,   0,      0,      0,      ENOENT, EINVAL, 1,0, 1,1,0, 1,0},
  {dynamic, both,         dynamic, yes,   0,      0,      0,      ENOENT, 0,      0,0, 0,2,2, 1,0},
  {dynamic, both,         dynamic, no_,   0,      0,      0,      ENOENT, EINVAL, 0,0, 0,0,0, 1,0},

/* cache_sgt_mapping needs a static exporter: the first mapping stays until detach */
  {static_, both_cached,  static_, yes,   0,      0,      0,      0,      0,      0,0, 0,0,1, 1,0},
  {static_, both_cached,  static_, no_,   0,      0,      0,      0,      EINVAL, 0,0, 0,0,0, 1,0},
  {static_, both_cached,  dynamic, yes,   0,      0,      0,      0,      0,      0,1, 0,0,1, 1,0},
  {static_, both_cached,  dynamic, no_,   0,      0,      0,      0,      EINVAL, 0,0, 0,0,0, 1,0},
  {dynamic, both_cached,  static_, yes,   EINVAL, never,  never,  never,  never,  0,0, 0,0,0, 0,0},
  {dynamic, both_cached,  static_, no_,   EINVAL, never,  never,  never,  never,  0,0, 0,0,0, 0,0},
  {dynamic, both_cached,  dynamic, yes,   EINVAL, never,  never,  never,  never,  0,0, 0,0,0, 0,0},
  {dynamic, both_cached,  dynamic, no_,   EINVAL, never,  never,  never,  never,  0,0, 0,0,0, 0,0},
};

/*
 * The same for a core that neither maps nor pins at attach (since 6.16): a static importer is
 * pinned while something is mapped, so nobody keeps its PFNs good. Such a core announces moves
 * (y) on every kernel. It caches no sg_table, and the module refuses cache_sgt_mapping.
 */
inline constexpr Row rows_of_late_mapping[] = {
/* exporter methods       importer device create  attach  y       n       map     P,M Py,Pn,M D,L */
  {static_, map_only,     static_, yes,   0,      0,      EINVAL, EINVAL, 0,      0,0, 0,0,2, 1,0},
  {static_, map_only,     static_, no_,   0,      EINVAL, never,  never,  never,  0,0, 0,0,0, 0,0},
  {static_, map_only,     dynamic, yes,   0,      0,      EINVAL, EINVAL, 0,      0,0, 0,0,2, 1,0},
  {static_, map_only,     dynamic, no_,   0,      EINVAL, never,  never,  never,  0,0, 0,0,0, 0,0},
  {static_, get_pfn_only, static_, yes,   0,      0,      0,      0,      EINVAL, 0,0, 0,0,0, 1,0},
  {static_, get_pfn_only, static_, no_,   0,      0,      0,      0,      EINVAL, 0,0, 0,0,0, 1,0},
  {static_, get_pfn_only, dynamic, yes,   0,      0,      0,      0,      EINVAL, 0,0, 0,0,0, 1,0},
  {static_, get_pfn_only, dynamic, no_,   0,      0,      0,      0,      EINVAL, 0,0, 0,0,0, 1,0},
  {static_, both,         static_, yes,   0,      0,      0,      0,      0,      0,0, 0,0,2, 1,0},
  {static_, both,         static_, no_,   0,      0,      0,      0,      EINVAL, 0,0, 0,0,0, 1,0},
  {static_, both,         dynamic, yes,   0,      0,      0,      0,      0,      0,0, 0,0,2, 1,0},
  {static_, both,         dynamic, no_,   0,      0,      0,      0,      EINVAL, 0,0, 0,0,0, 1,0},

  {dynamic, map_only,     static_, yes,   0,      0,      EINVAL, EINVAL, 0,      0,0, 2,2,2, 1,0},
  {dynamic, map_only,     static_, no_,   0,      EINVAL, never,  never,  never,  0,0, 0,0,0, 0,0},
  {dynamic, map_only,     dynamic, yes,   0,      0,      EINVAL, EINVAL, 0,      0,0, 0,0,2, 1,0},
  {dynamic, map_only,     dynamic, no_,   0,      EINVAL, never,  never,  never,  0,0, 0,0,0, 0,0},
  {dynamic, get_pfn_only, static_, yes,   0,      0,      ENOENT, ENOENT, EINVAL, 0,0, 0,0,0, 1,0},
  {dynamic, get_pfn_only, static_, no_,   0,      0,      ENOENT, ENOENT, EINVAL, 0,0, 0,0,0, 1,0},
  {dynamic, get_pfn_only, dynamic, yes,   0,      0,      0,      0,      EINVAL, 0,0, 0,0,0, 1,0},
  {dynamic, get_pfn_only, dynamic, no_,   0,      0,      0,      0,      EINVAL, 0,0, 0,0,0, 1,0},
  {dynamic, both,         static_, yes,   0,      0,      ENOENT, ENOENT, 0,      0,0, 2,2,2, 1,0},
  {dynamic, both,         static_, no_,   0,      0,      ENOENT, ENOENT, EINVAL, 0,0, 0,0,0, 1,0},
  {dynamic, both,         dynamic, yes,   0,      0,      0,      0,      0,      0,0, 0,0,2, 1,0},
  {dynamic, both,         dynamic, no_,   0,      0,      0,      0,      EINVAL, 0,0, 0,0,0, 1,0},

  {static_, both_cached,  static_, yes,   EOPNOTSUPP, never, never, never, never, 0,0, 0,0,0, 0,0},
  {static_, both_cached,  static_, no_,   EOPNOTSUPP, never, never, never, never, 0,0, 0,0,0, 0,0},
  {static_, both_cached,  dynamic, yes,   EOPNOTSUPP, never, never, never, never, 0,0, 0,0,0, 0,0},
  {static_, both_cached,  dynamic, no_,   EOPNOTSUPP, never, never, never, never, 0,0, 0,0,0, 0,0},
  {dynamic, both_cached,  static_, yes,   EINVAL, never,  never,  never,  never,  0,0, 0,0,0, 0,0},
  {dynamic, both_cached,  static_, no_,   EINVAL, never,  never,  never,  never,  0,0, 0,0,0, 0,0},
  {dynamic, both_cached,  dynamic, yes,   EINVAL, never,  never,  never,  never,  0,0, 0,0,0, 0,0},
  {dynamic, both_cached,  dynamic, no_,   EINVAL, never,  never,  never,  never,  0,0, 0,0,0, 0,0},
};
// clang-format on

/* The combination of a row as a number. */
constexpr std::size_t number_of(const Row& row) {
    return static_cast<std::size_t>(row.exporter) + 2 * static_cast<std::size_t>(row.importer) +
           4 * static_cast<std::size_t>(row.device) + 8 * static_cast<std::size_t>(row.methods);
}

constexpr bool each_combination_has_one_row(std::span<const Row> table) {
    std::array<int, 32> seen{};

    for (const Row& row : table)
        if (seen.at(number_of(row))++ != 0)
            return false;
    return table.size() == seen.size();
}
static_assert(each_combination_has_one_row(rows));
static_assert(each_combination_has_one_row(rows_of_late_mapping));

} // namespace detail

/*
 * The result of get_pfn, 0 or a positive errno, for an importer with these TESTEXP_ATTACH_* and a
 * buffer with these TESTEXP_CREATE_* that has get_pfn.
 */
constexpr int code_of_get_pfn(std::uint32_t features, std::uint32_t create_flags,
                              std::uint32_t attach_flags) {
    const bool notified =
        (attach_flags & TESTEXP_ATTACH_DYNAMIC) && !(attach_flags & TESTEXP_ATTACH_NO_NOTIFY);

    if (!(create_flags & TESTEXP_CREATE_DYNAMIC))
        return 0;
    if (features & TESTEXP_FEAT_MAPS_AT_ATTACH)
        return features & TESTEXP_FEAT_MOVE_NOTIFY ? 0 : ENOENT;
    if (attach_flags & TESTEXP_ATTACH_PIN)
        return 0;
    return notified && (features & TESTEXP_FEAT_MOVE_NOTIFY) ? 0 : ENOENT;
}

/*
 * TESTEXP_ATTACH_* of an importer that hears of no move, and for which a buffer with these
 * TESTEXP_CREATE_* stays where it is: a static importer, unless the buffer can move and the core
 * does not pin the buffer at attach. Such a core lets an importer without a callback pin.
 */
constexpr std::uint32_t flags_of_untold(std::uint32_t features, std::uint32_t create_flags) {
    if (!(create_flags & TESTEXP_CREATE_DYNAMIC) || (features & TESTEXP_FEAT_MAPS_AT_ATTACH))
        return 0;
    return TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_NO_NOTIFY | TESTEXP_ATTACH_PIN;
}

namespace detail {

/* Whether code_of_get_pfn() says the same as the rows. */
constexpr bool agrees(std::span<const Row> table, std::uint32_t features) {
    for (const Row& row : table) {
        const std::uint32_t create = row.exporter == Kind::dynamic ? TESTEXP_CREATE_DYNAMIC : 0U;
        const std::uint32_t attach = row.importer == Kind::dynamic ? TESTEXP_ATTACH_DYNAMIC : 0U;
        const int code = code_of_get_pfn(features, create, attach);

        if (row.get_pfn_y != never && row.methods != Methods::map_only &&
            code != (features & TESTEXP_FEAT_MOVE_NOTIFY ? row.get_pfn_y : row.get_pfn_n))
            return false;
    }
    return true;
}
static_assert(agrees(rows, TESTEXP_FEAT_MAPS_AT_ATTACH));
static_assert(agrees(rows, TESTEXP_FEAT_MAPS_AT_ATTACH | TESTEXP_FEAT_MOVE_NOTIFY));
static_assert(agrees(rows_of_late_mapping, TESTEXP_FEAT_MOVE_NOTIFY));

} // namespace detail

/* The rows that hold where the module has these TESTEXP_FEAT_*. */
constexpr std::span<const Row> rows(std::uint32_t features) {
    if (features & TESTEXP_FEAT_MAPS_AT_ATTACH)
        return detail::rows;
    return detail::rows_of_late_mapping;
}

} // namespace testexp::truth
