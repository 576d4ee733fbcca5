// SPDX-License-Identifier: GPL-2.0
#include "dma_storm.hpp"

#include <cerrno>

#include <unistd.h>

#include "ksft.hpp"
#include "lifetime.hpp"

namespace testexp {

namespace {

constexpr std::uint64_t base = DmaDevice::tested.first;

} // namespace

std::uint64_t iova_of(std::uint64_t page) {
    return base + page * page_bytes();
}

DmaStorm::DmaStorm(DmaDevice& device, RevocableBuffer subject, std::uint64_t random_seed)
    : device_(device), subject_(std::move(subject)), random_(random_seed) {
    const Mapping view = subject_.view();

    for (std::uint64_t page = 0; page < RevocableBuffer::nr_pages; page++)
        word_in(view, page) = contents_[page] = signature + (page << 32);
}

void DmaStorm::run(std::uint64_t nr_rounds) {
    for (std::uint64_t round = 0; round < most_rounds; round++) {
        if (round >= nr_rounds) {
            judge_reads();
            if (has_seen_enough())
                break;
        }
        make_round();
    }
    judge_reads();
    ksft::note(std::to_string(reads_.arrived) + " reads and " + std::to_string(writes_.arrived) +
               " writes arrived before an end, " + std::to_string(reads_.refused) + " and " +
               std::to_string(writes_.refused) + " were under way at an end and did not arrive");
    ksft::expect(has_seen_enough(),
                 "reads and writes arrived before an end, and were under way at an end");
}

void DmaStorm::make_round() {
    const Ending& ending = subject_.endings[random(subject_.endings.size())];
    const bool writes = random(2) == 0;
    const std::uint64_t page = random_page();
    const std::uint64_t slot = next_slot();

    (void)device_.space().map(subject_.at(base)).value();
    start(writes, page, slot);
    usleep(static_cast<useconds_t>(random(3) == 0 ? 150'000 : random(60'000)));
    ending.end();

    const Time time = device_.is_running() ? Time::under_way : Time::may_be_before;

    device_.wait();
    if (random(2) == 0)
        access_dead_mapping();
    ending.come_back();
    note_end(writes, page, slot, time, ending.name);
    access_dead_mapping();
    expect_contents(ending.name);
    move_and_unmap();
}

void DmaStorm::start(bool writes, std::uint64_t page, std::uint64_t slot) {
    if (writes)
        device_.start_write(iova_of(page), slot);
    else
        device_.start_read(iova_of(page), slot);
}

void DmaStorm::note_end(bool writes, std::uint64_t page, std::uint64_t slot, Time time,
                        const std::string& when) {
    if (!writes) {
        unjudged_.push_back({slot, contents_[page], time});
        return;
    }

    const std::uint64_t now = word_in(subject_.view(), page);
    const bool has_arrived = now == device_.loaded_word(slot);

    writes_.arrived += has_arrived;
    writes_.refused += time == Time::under_way && !has_arrived;
    ksft::expect(!has_arrived || time == Time::may_be_before, "no write arrives after " + when);
    if (has_arrived)
        contents_[page] = now;
}

/* The contents of pages and slots are compared later. */
void DmaStorm::access_dead_mapping() {
    const bool writes = random(2) == 0;
    const std::uint64_t page = random_page();
    const std::uint64_t slot = next_slot();

    start(writes, page, slot);
    device_.wait();
    if (!writes)
        unjudged_.push_back({slot, contents_[page], Time::after});
}

void DmaStorm::expect_contents(const std::string& when) {
    const Mapping view = subject_.view();

    for (std::uint64_t page = 0; page < RevocableBuffer::nr_pages; page++)
        ksft::expect_eq(word_in(view, page), contents_[page],
                        "first word of page " + std::to_string(page) + " after " + when);
}

/* The pin lasts until the mapping is gone, although the mapping is dead. */
void DmaStorm::move_and_unmap() {
    if (subject_.move)
        ksft::expect_eq(subject_.move().code(), EBUSY, "MOVE of a mapped buffer");
    ksft::expect_eq(device_.space().unmap(base, RevocableBuffer::bytes()).value(),
                    RevocableBuffer::bytes(), "bytes that were unmapped");
    if (!subject_.move || random(2) == 0)
        return;
    subject_.move().value();
    expect_contents("MOVE");
    access_dead_mapping();
    expect_contents("a DMA to pages that the buffer left");
}

std::uint64_t DmaStorm::next_slot() {
    if (slot_ == DmaDevice::nr_slots) {
        judge_reads();
        device_.load();
        slot_ = 0;
    }
    return slot_++;
}

void DmaStorm::judge_reads() {
    const std::vector<std::uint64_t> slots = device_.unload();

    for (const Read& read : unjudged_) {
        const std::uint64_t now = slots[read.slot];
        const bool has_arrived = now == read.content;

        reads_.arrived += has_arrived;
        reads_.refused += read.time == Time::under_way && !has_arrived;
        /* QEMU's device fills its buffer with zeros when a read is refused. */
        ksft::expect(has_arrived || now == 0 || now == device_.loaded_word(read.slot),
                     "a read gives the contents of its page or nothing");
        ksft::expect(!has_arrived || read.time == Time::may_be_before,
                     "no read arrives after an end");
    }
    unjudged_.clear();
}

} // namespace testexp
