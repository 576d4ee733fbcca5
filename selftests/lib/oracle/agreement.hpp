/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Compares what resolves pages with the oracles, for any layout of holes, private and SYNTHETIC
 * extents. The module's layout.c alone and the whole way through the kernel run the same cases.
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

    /*
     * Adds @nr_pgoffs pages of a buffer of @nr_pages, each with every order that fits into the
     * buffer.
     */
    void add(std::uint64_t nr_pgoffs, std::uint64_t nr_pages);

    /* "checked: 1 layouts, 4 pgoffs, 12 (pgoff, order) pairs" */
    std::string text() const;
};

/* What is under test. It returns the answers for @pgoffs, which are in ascending order. */
using Lookup = std::function<std::vector<testexp_result>(const Layout& layout,
                                                         const std::vector<std::uint64_t>& pgoffs)>;

struct Mismatch {
    Layout layout{};
    std::uint64_t pgoff = 0;
    testexp_result is{};
    testexp_result must_be{};

    /* One line: the layout as C++ code, the answer and the right answer. */
    std::string text() const;
};

/* All pages of the buffer, and two pages behind its end. */
std::vector<std::uint64_t> all_pgoffs(const Layout& layout);

/**
 * The pages to ask in a buffer that is too large for all_pgoffs(). For each border of an extent and
 * each order, these are the first page of the aligned block at the border, the page behind that
 * block, and the neighbours of both. Between two of these pages only the PFN changes.
 */
std::vector<std::uint64_t> pgoffs_round_borders(const Layout& layout);

/* all_pgoffs(), or pgoffs_round_borders() for a large buffer. */
std::vector<std::uint64_t> pgoffs_to_ask(const Layout& layout);

/* Asks for pgoffs_to_ask() and returns the first wrong answer. */
std::optional<Mismatch> first_mismatch(const Layout& layout, const Lookup& lookup,
                                       Checked* checked = nullptr);

/* Asks for @pgoffs and returns the first wrong answer. */
std::optional<Mismatch> first_mismatch(const Layout& layout,
                                       const std::vector<std::uint64_t>& pgoffs,
                                       const Lookup& lookup);

/* Returns the smallest layout that it can find for which @lookup is still wrong. */
Mismatch shrunk(Mismatch mismatch, const Lookup& lookup);

} // namespace testexp
