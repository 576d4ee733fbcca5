/* SPDX-License-Identifier: GPL-2.0 */
/* For tests of contention: buffers to contend for, and checks of the counts afterwards. */
#pragma once

#include <string>
#include <vector>

#include "contend.hpp"
#include "fixture.hpp"

namespace testexp {

/* Buffers that check their locks themselves (TESTEXP_CREATE_CHECK_LOCK), with one importer each. */
class Contended {
public:
    explicit Contended(std::size_t nr_buffers, std::uint64_t nr_pages = 16);

    /* The importers' descriptors, as CONTEND takes them. */
    std::vector<int> importers() const;

    testexp_stats stats(std::size_t buffer = 0) const;

    /* Maps the whole buffer with leaves of the smallest size. */
    Mapping map(std::size_t buffer = 0) const;

    /* Calls of get_pfn, of all buffers together. */
    std::uint64_t get_pfns() const;

    /*
     * Expects that no callback ran without its lock, and that nothing is left mapped, pinned or
     * attached.
     */
    void expect_in_order() const;

private:
    std::vector<Buffer> buffers_;
    std::vector<Importer> importers_;
};

/* Expects that each contender made its operations, without an error or a lost wake-up. */
void expect_complete(const ContentionSpec& spec, const std::vector<ContenderReport>& reports);

/* Expects that no contender passed the gate before all had arrived there. */
void expect_gate_kept(const std::vector<ContenderReport>& reports);

/*
 * Makes a contention and runs it, with a thread of this process for each contender that has user
 * set. Expects that it completes, and returns the reports.
 */
std::vector<ContenderReport> run_to_the_end(const ContentionSpec& spec);

} // namespace testexp
