/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whether someone who resolves pages agrees with the oracles, for any layout of
 * holes, private and SYNTHETIC extents: the same cases for layout.c on its own and
 * for the whole way through the kernel.
 */
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "layout.hpp"
#include "oracle.hpp"
#include "testexp_uapi.h"

namespace testexp {

/* How much was compared. */
struct Checked {
    std::uint64_t layouts = 0;
    std::uint64_t pgoffs = 0;
    std::uint64_t pairs = 0; /* (pgoff, order): is the block of that order good? */

    /* That many pgoffs of a buffer of @nr_pages; the orders are those that fit into it. */
    void add(std::uint64_t nr_pgoffs, std::uint64_t nr_pages);

    /* "checked: 1 layouts, 4 pgoffs, 12 (pgoff, order) pairs" */
    std::string text() const;
};

/* What is under test: the answers for @pgoffs, which are in order. */
using Lookup = std::function<std::vector<testexp_result>(const Layout& layout,
                                                         const std::vector<std::uint64_t>& pgoffs)>;

struct Mismatch {
    Layout layout{};
    std::uint64_t pgoff = 0;
    testexp_result is{};
    testexp_result must_be{};

    /* One line: the layout as C++, and what is wrong with it. */
    std::string text() const;
};

/* All pages, and two behind the end. */
std::vector<std::uint64_t> all_pgoffs(const Layout& layout);

/**
 * For buffers too large for that: of each order the aligned block round each border
 * of an extent; its first page and the one behind it, and the neighbours of both.
 * From one of these to the next nothing changes.
 */
std::vector<std::uint64_t> pgoffs_round_borders(const Layout& layout);

/* The one or the other. */
std::vector<std::uint64_t> pgoffs_to_ask(const Layout& layout);

/* Asks for all of these, and returns the first answer that is wrong. */
std::optional<Mismatch> first_mismatch(const Layout& layout, const Lookup& lookup,
                                       Checked* checked = nullptr);

/* The same, for those pages only. */
std::optional<Mismatch> first_mismatch(const Layout& layout,
                                       const std::vector<std::uint64_t>& pgoffs,
                                       const Lookup& lookup);

/* Of a @mismatch the smallest layout that can be found for which @lookup is still wrong. */
Mismatch shrunk(Mismatch mismatch, const Lookup& lookup);

} // namespace testexp
