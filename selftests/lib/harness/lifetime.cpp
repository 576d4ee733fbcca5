// SPDX-License-Identifier: GPL-2.0
#include "lifetime.hpp"

#include <atomic>

namespace testexp {

Contents::Contents(const Buffer& buffer, const Layout& layout)
    : pages_(pages_of(layout)), mapping_(Mapping::map(buffer.fd.get(), pages_.size()).value()) {
    for (std::uint64_t pgoff = 0; pgoff < pages_.size(); pgoff++)
        if (pages_[pgoff].type == TESTEXP_EXTENT_RAM)
            *word_at(pgoff, word_signature) = *word_near_the_end(pgoff) = signature + pgoff;
}

std::uint64_t* Contents::word_at(std::uint64_t pgoff, std::size_t word) const {
    std::byte* page = mapping_.bytes().data() + pgoff * page_bytes();

    return reinterpret_cast<std::uint64_t*>(page) + word;
}

/* The last word but one: USE may write to the last. */
std::uint64_t* Contents::word_near_the_end(std::uint64_t pgoff) const {
    return word_at(pgoff, page_bytes() / sizeof(std::uint64_t) - 2);
}

void Contents::expect_intact(const std::string& when) const {
    for (std::uint64_t pgoff = 0; pgoff < pages_.size(); pgoff++)
        if (pages_[pgoff].type == TESTEXP_EXTENT_RAM) {
            const std::string where = " word of page " + std::to_string(pgoff) + ' ' + when;

            ksft::expect_eq(*word_at(pgoff, word_signature), signature + pgoff, "first" + where);
            ksft::expect_eq(*word_near_the_end(pgoff), signature + pgoff, "last but one" + where);
        }
}

std::uint64_t Contents::sum(Word word) const {
    std::uint64_t total = 0;

    for (std::uint64_t pgoff = 0; pgoff < pages_.size(); pgoff++)
        if (pages_[pgoff].type == TESTEXP_EXTENT_RAM)
            total += *word_at(pgoff, word);
    return total;
}

void Contents::add_one(std::uint64_t pgoff, Word word) const {
    std::atomic_ref<std::uint64_t>(*word_at(pgoff, word)).fetch_add(1);
}

void require_pfns() {
    REQUIRE(device().has(TESTEXP_FEAT_MOVE_NOTIFY),
            "get_pfn refuses buffers that can move without CONFIG_DMABUF_MOVE_NOTIFY");
}

std::uint64_t poison_violations() {
    return device().read_info().value().poison_violations;
}

bool happens(const Importer& importer, short event, std::chrono::milliseconds within) {
    pollfd entry{.fd = importer.fd(), .events = event, .revents = 0};

    if (poll(&entry, 1, static_cast<int>(within.count())) < 0)
        throw std::runtime_error(errno_error("poll").what);
    return (entry.revents & event) != 0;
}

void until_seen(const std::function<bool()>& body) {
    for (int attempt = 0; attempt < limits::attempts; attempt++)
        if (body())
            return;
    ksft::fail("in each attempt a fence expired or a pause ended before the test saw what happens "
               "meanwhile: the machine is too slow, or the kernel ends them too early");
}

} // namespace testexp
