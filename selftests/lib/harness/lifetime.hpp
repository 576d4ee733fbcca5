/* SPDX-License-Identifier: GPL-2.0 */
/* For tests of moves and revokes: pages with signatures, events, threads. */
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

/*
 * USE and expect_intact() look for this: page pgoff begins with signature + pgoff. Contents has it
 * near the end of each page as well, which shows whether a move copies whole pages.
 */
inline constexpr std::uint64_t signature = 0x5167'4e00'0000'0000;

/* The words of a page: its signature, and one counter for each kind of writer. */
enum Word : std::size_t { word_signature, word_of_importers, word_of_cpu };

/* A mapped buffer whose RAM pages hold their signatures. */
class Contents {
public:
    Contents(const Buffer& buffer, const Layout& layout);

    /* Expects that each page has its signature. */
    void expect_intact(const std::string& when) const;

    /* The sum of this word over all RAM pages. */
    std::uint64_t sum(Word word) const;

    /* Adds 1 to the word atomically. */
    void add_one(std::uint64_t pgoff, Word word) const;

private:
    std::uint64_t* word_at(std::uint64_t pgoff, std::size_t word) const;
    std::uint64_t* word_near_the_end(std::uint64_t pgoff) const;

    std::vector<Page> pages_;
    Mapping mapping_;
};

/* Skips where get_pfn is refused for buffers that can move. */
void require_pfns();

/* INFO's count of changed poison, as of now. */
std::uint64_t poison_violations();

/* Whether the event comes in this time. POLLIN: a FILL pauses; POLLPRI: a fence is pending. */
bool happens(const Importer& importer, short event,
             std::chrono::milliseconds within = std::chrono::milliseconds(0));

/* Runs @body in a thread. get() returns its result or throws its exception. */
template <typename Body> auto in_thread(Body body) {
    return std::async(std::launch::async, std::move(body));
}

template <typename T> bool is_running(const std::future<T>& result) {
    return result.wait_for(std::chrono::seconds(0)) == std::future_status::timeout;
}

/*
 * Waits a time that is long for the kernel. If @result is ready then, something ended too early. If
 * @result is not ready then, this proves nothing.
 */
template <typename T> bool still_running(const std::future<T>& result) {
    return result.wait_for(limits::for_a_wrong_end) == std::future_status::timeout;
}

/*
 * Waits for an event of the importer that @call causes. Fences expire and pauses end, so on a
 * stalled machine the event may be over before this function looks. Returns whether it has seen the
 * event; if not, @call has ended.
 */
template <typename T>
bool wait_for(const Importer& importer, short event, const std::future<T>& call) {
    while (!happens(importer, event, limits::look_again))
        if (!is_running(call))
            return false;
    return true;
}

/*
 * Repeats @body until it has seen what it tests before a fence expired or a pause ended. @body
 * returns whether it has, and only then judges.
 */
void until_seen(const std::function<bool()>& body);

} // namespace testexp
