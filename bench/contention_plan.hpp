/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the contention benchmark measures, as data: a row for each path, number of
 * threads, hold time and way of sharing buffers. Pure: needs no module.
 */
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "contend.hpp"

namespace bench {

/* Whose locks the threads want. */
enum class Buffers_of {
    all,  /* one buffer for all threads */
    each, /* a buffer for each thread */
    sets  /* four for each thread, of which each neighbour shares two */
};

/* One contention, and the name of its result. */
struct ContentionCase {
    std::string name = {};
    testexp_role role = TESTEXP_ROLE_LOCKED;
    testexp_path path = {}; /* of the role RESOLVE */
    Buffers_of buffers = Buffers_of::all;
    std::uint32_t threads = 1;
    std::uint64_t hold_ns = 0; /* how long each operation, or the holder, keeps the lock */
    bool holder = false;       /* one more thread that holds the lock half of the time */

    /* Each thread, also a holder, has a processor of its own. */
    std::uint32_t processors() const { return threads + (holder ? 1 : 0); }
    std::uint32_t nr_buffers() const;

    /* Whether the path needs a mapping of the buffer. */
    bool walks() const;
};

struct ContentionPreset {
    std::span<const std::uint64_t> hold_ns;
    std::uint64_t window_ns; /* how long each case runs */
    int windows;             /* and how often */
};

extern const ContentionPreset quick_contention;
extern const ContentionPreset default_contention;

std::vector<ContentionCase> make_contention_plan(const ContentionPreset& preset);

/* Converts times into the ticks of CONTEND. */
struct ContentionClock {
    double ticks_per_ns = 1;
    /* Processors are emulated one after the other: let the next run after each operation. */
    bool take_turns = false;

    std::uint64_t ticks(std::uint64_t ns) const;
};

/**
 * The contention of @row. @importers: one for each of its buffers; @processors: at
 * least row.processors() of them; @address: where the first buffer is mapped.
 */
testexp::ContentionSpec make_contention(const ContentionCase& row, const ContentionClock& clock,
                                        std::span<const int> importers,
                                        std::span<const int> processors, std::uint64_t address);

} // namespace bench
