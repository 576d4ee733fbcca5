/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which counts grow in every round of the same work. Other processes take and free memory as well,
 * but not more and more in each round. So a count that grows in every round is a leak.
 */
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace check {

/* "pages of memory", "objects of the slab cache kmalloc-64": how many are in use */
using Usage = std::map<std::string, std::uint64_t>;

class Growth {
public:
    /* A count has grown if it is larger by @least or more after the round. */
    void add_round(const Usage& before, const Usage& after, std::uint64_t least);

    /* The counts that have grown in every round, and by how much in the last round. */
    const Usage& in_every_round() const { return grown_; }

private:
    bool is_first_ = true;
    Usage grown_;
};

/* For a message: "500 pages of memory, 500 objects of the slab cache kmalloc-64". */
std::string text_of(const Usage& usage);

} // namespace check
