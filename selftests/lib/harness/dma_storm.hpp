/* SPDX-License-Identifier: GPL-2.0 */
/* DMA of random kinds to a mapping of a buffer, while the buffer is taken away again and again. */
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "dma_device.hpp"
#include "revocable_buffers.hpp"

namespace testexp {

/* The address (IOVA) of a page of a buffer that is mapped at the first address of tested. */
std::uint64_t iova_of(std::uint64_t page);

/* Maps the buffer at the first address of DmaDevice::tested. */
class DmaStorm {
public:
    DmaStorm(DmaDevice& device, RevocableBuffer subject, std::uint64_t random_seed);

    /*
     * Makes at least @nr_rounds rounds. More rounds follow until reads and writes have arrived
     * before an end, and others were under way at an end and did not arrive.
     */
    void run(std::uint64_t nr_rounds);

private:
    static constexpr std::uint64_t most_rounds = 200;

    /* How many DMAs arrived, and how many did not. Each began before the buffer was taken away. */
    struct Seen {
        std::uint64_t arrived = 0; /* before the call */
        std::uint64_t refused = 0; /* ran when the call returned, and did not arrive */
    };

    enum class Time { may_be_before, under_way, after };

    /* A read, and when it took place: before or after an end. Judged once the slots are known. */
    struct Read {
        std::uint64_t slot;
        std::uint64_t content; /* of the page */
        Time time;
    };

    bool has_seen_enough() const {
        return reads_.arrived && reads_.refused && writes_.arrived && writes_.refused;
    }

    std::uint64_t random(std::uint64_t end) { return random_() % end; }
    std::uint64_t random_page() { return random(RevocableBuffer::nr_pages); }

    void make_round();
    void start(bool writes, std::uint64_t page, std::uint64_t slot);
    void note_end(bool writes, std::uint64_t page, std::uint64_t slot, Time time,
                  const std::string& when);
    void access_dead_mapping();
    void expect_contents(const std::string& when);
    void move_and_unmap();
    std::uint64_t next_slot();
    void judge_reads();

    DmaDevice& device_;
    RevocableBuffer subject_;
    std::mt19937_64 random_;
    std::array<std::uint64_t, RevocableBuffer::nr_pages> contents_{};
    std::vector<Read> unjudged_;
    std::uint64_t slot_ = 1;
    Seen reads_;
    Seen writes_;
};

} // namespace testexp
