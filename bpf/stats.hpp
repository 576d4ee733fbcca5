/* SPDX-License-Identifier: GPL-2.0 */
/* Adds up the counts of all CPUs. Pure: needs no kernel. */
#pragma once

#include <cstdint>
#include <span>

#include "calls.h"

namespace latency {

/* The calls of one function, all CPUs together. */
struct Summary {
    testexp_hist hist = {};      /* ns */
    std::uint64_t lost = 0;      /* probe hits whose time could not be kept */
    std::uint64_t unmatched = 0; /* entries without return and returns without entry */
    bool lost_is_exact = true;   /* else the kernel may have dropped more than it tells */
};

/* The start value of a CPU: an empty histogram. */
call_stats empty_stats();

/*
 * Adds what a BPF program recorded, which leaves the count to its reader. A program that another
 * one preempts may lose a minimum or maximum: the end of a bucket then stands for it.
 */
void merge_counted(testexp_hist& into, const testexp_hist& from);

/**
 * Adds up the CPUs. @missed is the number of probe hits that never reached a
 * program, as the kernel counts them; each is lost, and usually leaves its other
 * half unmatched. @unreturned calls were still in flight at the end.
 */
Summary summarize(std::span<const call_stats> cpus, std::uint64_t missed, std::uint64_t unreturned);

} // namespace latency
