/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of contention have in common: buffers to contend for, and the balance afterwards.
 */
#pragma once

#include <string>
#include <vector>

#include "contend.hpp"
#include "fixture.hpp"

namespace testexp {

/* Some buffers that look after their locks themselves, with an importer each. */
class Contended {
public:
    explicit Contended(std::size_t nr_buffers, std::uint64_t nr_pages = 16);

    /* The importers' descriptors, as CONTEND wants them. */
    std::vector<int> importers() const;

    testexp_stats stats(std::size_t buffer = 0) const;

    /* All of the buffer, in leaves of the smallest size. */
    Mapping map(std::size_t buffer = 0) const;

    /* Of all buffers. */
    std::uint64_t get_pfns() const;

    /* Nobody was where a lock should have kept him out, and nothing is left mapped, pinned,
     * attached. */
    void expect_in_order() const;

private:
    std::vector<Buffer> buffers_;
    std::vector<Importer> importers_;
};

/* Each contender made its operations, without error or lost wake-up, and never at the gate's cost.
 */
void expect_complete(const ContentionSpec& spec, const std::vector<ContenderReport>& reports);

/* No contender was through the gate before all had come to it. */
void expect_gate_kept(const std::vector<ContenderReport>& reports);

/* All of it in one: with a thread of this process for each contender that is a user's. */
std::vector<ContenderReport> run_to_the_end(const ContentionSpec& spec);

} // namespace testexp
