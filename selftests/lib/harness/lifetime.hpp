/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of moves and revokes have in common: signed pages, events, threads. */
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include <poll.h>

#include "fixture.hpp"
#include "limits.hpp"

namespace testexp {

/* What USE and expect_contents() look for: page pgoff begins with signature + pgoff. */
inline constexpr std::uint64_t signature = 0x5167'4e00'0000'0000;

/* The words of a page: its signature, and counters of those who write to it. */
enum Word : std::size_t { word_signature, word_of_importers, word_of_cpu };

/* A mapped buffer whose RAM pages hold their signatures. */
class Contents {
public:
    Contents(const Buffer& buffer, const Layout& layout);

    /* Each page has its signature still, or again. */
    void expect_intact(const std::string& when) const;

    /* Sum over all RAM pages. */
    std::uint64_t sum(Word word) const;

    /* Adds 1, atomically. */
    void add_one(std::uint64_t pgoff, Word word) const;

private:
    std::uint64_t* word_at(std::uint64_t pgoff, Word word) const;

    std::vector<Page> pages_;
    Mapping mapping_;
};

/* Skips where get_pfn gives no PFNs of buffers that can move. */
void require_pfns();

/* INFO's count, now. */
std::uint64_t poison_violations();

/* POLLIN: a FILL pauses; POLLPRI: a fence is pending. Waits for it as long as @within. */
bool happens(const Importer& importer, short event,
             std::chrono::milliseconds within = std::chrono::milliseconds(0));

/* A thread whose result, or exception, is fetched with get(). */
template <typename Body> auto in_thread(Body body) {
    return std::async(std::launch::async, std::move(body));
}

template <typename T> bool is_running(const std::future<T>& result) {
    return result.wait_for(std::chrono::seconds(0)) == std::future_status::timeout;
}

/* After a time that is long for the kernel. Finding it running proves nothing. */
template <typename T> bool still_running(const std::future<T>& result) {
    return result.wait_for(limits::for_a_wrong_end) == std::future_status::timeout;
}

/*
 * Waits until the event that @call makes has come to the importer. Fences expire and pauses end,
 * so on a machine that stands still the event may be over before anybody looks. Returns whether
 * it was seen; else @call has ended.
 */
template <typename T>
bool wait_for(const Importer& importer, short event, const std::future<T>& call) {
    while (!happens(importer, event, limits::look_again))
        if (!is_running(call))
            return false;
    return true;
}

/*
 * Runs @body until it has seen what there is to see before a fence expires or a pause ends. It
 * judges only what it has seen.
 */
void until_seen(const std::function<bool()>& body);

} // namespace testexp
