// SPDX-License-Identifier: GPL-2.0
/* P8: attachments and buffers leave nothing behind. */
#include <algorithm>

#include "counts.hpp"
#include "dma_segments.hpp"
#include "fixture.hpp"
#include "growth.hpp"
#include "importer_kinds.hpp"
#include "law.hpp"
#include "slabs.hpp"
#include "used_pages.hpp"

namespace check {

using namespace testexp;

namespace {

/* KASAN keeps freed objects for a while, so on a debug kernel the slabs tell nothing. */
Usage memory_in_use() {
    Usage usage = is_debug_kernel() ? Usage{} : read_slabs();

    usage["pages of memory"] = read_used_pages();
    return usage;
}

/*
 * The growth that counts. The kernel frees some memory late, KASAN much later, and each processor
 * keeps free pages and objects. So a few pages or objects more prove nothing.
 */
std::uint64_t least_growth(std::uint64_t times) {
    const std::uint64_t of_the_kernel = is_debug_kernel() ? 1024 : 128;

    return std::max(times / 2, of_the_kernel);
}

/*
 * @round does something @times times, which @of names. It does so in @nr_kinds different ways by
 * turns, and the law must see a leak of any of them.
 */
void expect_memory_back(std::uint64_t times, const std::string& of,
                        const std::function<void()>& round, std::uint64_t nr_kinds = 1) {
    constexpr int rounds = 8;
    const std::uint64_t of_each = std::max<std::uint64_t>(times / nr_kinds, 1);
    const std::uint64_t least = least_growth(of_each);
    Growth growth;

    ksft::note(std::string("the law sees a leak from this number of ") +
               (is_debug_kernel() ? "pages" : "pages or objects") +
               " each time: " + std::to_string((least + of_each - 1) / of_each));
    for (int i = 0; i < rounds; i++) {
        const Usage before = memory_in_use();

        round();
        growth.add_round(before, memory_in_use(), least);
        if (growth.in_every_round().empty())
            return;
    }
    ksft::fail("each of " + std::to_string(rounds) + " rounds of " + of +
               " takes memory, the last " + text_of(growth.in_every_round()));
}

/* Flags of each kind of importer that the exporter and this kernel accept. */
std::vector<std::uint32_t> accepted_kinds(const Subject& subject) {
    std::vector<std::uint32_t> accepted;

    for (const ImporterKind& kind : importer_kinds())
        if (device().attach(subject.fd(), kind.flags))
            accepted.push_back(kind.flags);
    return accepted;
}

void attach_and_detach(const Subject& subject) {
    const unsigned int times = quick() || is_debug_kernel() ? 2000 : 10000;
    const std::optional<std::uint64_t> listed = attachments_in_bufinfo(subject);
    const std::vector<std::uint32_t> kinds = accepted_kinds(subject);
    const Counts before = count_all(subject);
    const std::string of = std::to_string(times) + " attachments";

    expect_memory_back(
        times, of,
        [&] {
            for (unsigned int i = 0; i < times; i++) {
                const Importer importer =
                    device().attach(subject.fd(), kinds[i % kinds.size()]).value();

                (void)importer.resolve(i % subject.nr_pages, 1).value();
            }
        },
        kinds.size());
    expect_counts(subject, before, "after " + of);
    ksft::expect(attachments_in_bufinfo(subject) == listed, "bufinfo lists no more attachments");
    ksft::note(of + " of " + std::to_string(kinds.size()) + " kinds");
    if (!subject.source.is_testexp)
        ksft::note("pins and mappings of this exporter are not counted; say dmabuf-lat balance -- "
                   "and this command");
}

/* Maps the buffer, which takes an importer with a device. An error is an answer as well. */
void map_once(int fd, std::uint32_t attach_flags) {
    const Result<Importer> importer = device().attach(fd, attach_flags & ~TESTEXP_ATTACH_NO_DEVICE);

    if (importer)
        (void)importer.value().map();
}

/* Makes a buffer, uses the buffer as importers do, and closes everything. */
void live_once(const Subject& subject) {
    std::function<void()> expect_released;
    {
        const Source source = subject.make_another();
        const Importer importer =
            device().attach(source.buffer.get(), subject.attach_flags).value();

        (void)importer.resolve(0, std::min<std::uint64_t>(subject.nr_pages, 4096)).value();
        map_once(source.buffer.get(), subject.attach_flags);
        expect_released = source.expect_released;
    }
    if (expect_released)
        expect_released();
}

std::uint64_t times_for_buffers(const Subject& subject) {
    const std::uint64_t nr_pages = subject.nr_pages;

    if (subject.source.is_slow_to_make)
        return quick() || is_debug_kernel() ? 8 : 32;
    if (is_debug_kernel()) /* few, because KASAN keeps what each buffer frees */
        return std::clamp<std::uint64_t>(8192 / nr_pages, 4, 50);

    const std::uint64_t most = quick() ? 256 : 512;

    if (subject.source.has_pci_provider) /* the exporter allocates no page */
        return most;
    return std::clamp<std::uint64_t>(most * 512 / nr_pages, 4, most);
}

void buffers_come_and_go(const Subject& subject) {
    const std::uint64_t times = times_for_buffers(subject);
    const Counts before = count_all(subject);
    const std::string of = std::to_string(times) + " buffers";

    expect_memory_back(times, of, [&] {
        for (std::uint64_t i = 0; i < times; i++)
            live_once(subject);
    });
    expect_counts(subject, before, "after " + of);
    ksft::note(of + " came and went");
}

/* Maps one buffer many times. So the law also judges an exporter that makes no second buffer. */
void map_and_unmap(const Subject& subject) {
    const std::uint64_t most = quick() || is_debug_kernel() ? 1000 : 4000;
    constexpr std::uint64_t fewest = 256, all_segments = 512 * 1024;
    const Importer importer = attach_for_map(subject);
    const std::uint64_t nr_segments = std::max<std::uint64_t>(segments_or_skip(importer).size(), 1);
    const std::uint64_t times = std::clamp(all_segments / nr_segments, fewest, most);
    const Counts before = count_all(subject);
    const std::string of = std::to_string(times) + " mappings";

    expect_memory_back(times, of, [&] {
        for (std::uint64_t i = 0; i < times; i++)
            (void)importer.map().value();
    });
    expect_counts(subject, before, "after " + of);
    ksft::note(of + " of " + std::to_string(nr_segments) + " segments");
    if (device().has(TESTEXP_FEAT_MAPS_AT_ATTACH))
        ksft::note("the core of this kernel may keep a mapping, and then the exporter maps once");
}

void refused_buffers(const Subject& subject) {
    const std::uint64_t times = is_debug_kernel() ? 64 : 512;

    expect_memory_back(times, std::to_string(times) + " refused buffers", [&] {
        for (std::uint64_t i = 0; i < times; i++)
            subject.source.make_refused();
    });
}

/* The importer keeps the buffer: the user may close the descriptor right after attach. */
void importer_keeps_buffer(const Subject& subject) {
    const Counts before = count_all(subject);
    {
        Source source = subject.make_another();
        const Importer importer =
            device().attach(source.buffer.get(), subject.attach_flags).value();
        const auto with_descriptor = importer.resolve(0, 1).value()[0];

        source.buffer.reset();
        if (!same(importer.resolve(0, 1).value()[0], with_descriptor))
            ksft::record_failure("page 0 has another answer once the descriptor is closed",
                                 __FILE__, __LINE__);
    }
    expect_counts(subject, before, "after the importer was closed");
}

} // namespace

std::vector<Law> lifetime_laws() {
    return {
        {"lifetime.attach_and_detach",
         "thousands of attachments leave no memory, and in the test exporter no pin and no mapping "
         "(P8)",
         {},
         attach_and_detach},
        {"lifetime.map_and_unmap",
         "hundreds or thousands of mappings of one buffer leave no memory (P8)",
         {},
         map_and_unmap},
        {"lifetime.buffers",
         "buffers that importers have used leave no memory when they are closed (P8, P22)",
         {Need::another},
         buffers_come_and_go},
        {"lifetime.refused",
         "a buffer that the exporter refuses to make leaves no memory (P8)",
         {Need::refusal},
         refused_buffers},
        {"lifetime.importer_keeps_buffer",
         "an importer keeps the buffer when its descriptor is closed (contract 1)",
         {Need::another},
         importer_keeps_buffer},
    };
}

} // namespace check
