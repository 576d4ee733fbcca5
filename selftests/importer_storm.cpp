// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: once a call has returned that takes a buffer away from iommufd (REVOKE, the reset of a
 * VFIO device, memory decode off, close of the device), no DMA through a mapping of the buffer
 * arrives any more, the mapping stays dead when the buffer comes back, and a new mapping works
 * (P24). A buffer that iommufd has pinned does not move (P23).
 *
 * Method: the device edu accesses a page 100 ms after it is told to. So a DMA that still runs when
 * the call returns has not taken place yet: it must not arrive. Each page and each word of the
 * device's own buffer has contents that nothing else has, so a read and a write that arrive are
 * seen. The kind of DMA, the page, the call and the pause before the call are random; the seed is
 * printed.
 *
 * Does not see: a DMA that takes place within the call, which may or may not arrive; more than one
 * DMA at a time; faults that the kernel's rate limit leaves out of the log; a moment within an
 * unmap that is so short that no revoke comes then.
 */
#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <random>

#include <unistd.h>

#include "dma_device.hpp"
#include "dma_storm.hpp"
#include "iommufd_importer.hpp"
#include "known_buffers.hpp"
#include "lifetime.hpp"
#include "revocable_buffers.hpp"

using namespace testexp;

namespace {

constexpr std::uint64_t base = DmaDevice::tested.first;
constexpr std::uint64_t second_base = base + 0x100'0000;

/* The test exporter's buffer has to have all pins and attachments back at the end. */
void expect_balance(const testexp_stats& stats) {
    ksft::expect_eq(stats.unpins, stats.pins, "unpins, against pins");
    ksft::expect_eq(stats.detaches, stats.attaches, "detaches, against attaches");
    ksft::expect_eq(stats.unmaps, stats.maps, "unmaps, against maps");
    ksft::expect_eq(stats.lock_violations, 0, "callbacks without the reservation lock");
}

std::uint64_t nr_rounds() {
    return quick() ? 6 : 60;
}

int nr_races() {
    return quick() ? 20 : 300;
}

constexpr int most_races = 2000;

void storm(DmaDevice& dma, RevocableBuffer subject) {
    ExpectedFaults faults = dma.expect_faults();

    ksft::note("seed " + std::to_string(seed()));
    DmaStorm(dma, std::move(subject), seed()).run(nr_rounds());
    dma.end(faults);
}

void testexp_storm(std::uint32_t flags) {
    require_pfn_importer();

    const std::uint64_t violations = poison_violations();
    {
        DmaDevice dma;
        RevocableTestexp buffer(flags);

        storm(dma, buffer.subject());
        expect_balance(buffer.stats());
    }
    ksft::expect_eq(poison_violations(), violations, "poison_violations");
}

void vfio_storm(unsigned int nr_ranges) {
    require_pfn_importer();

    DmaDevice dma;
    RevocableBar buffer(nr_ranges);

    storm(dma, buffer.subject());
}

/* --- One end at a time ---------------------------------------------------- */

/* Whether a write to this address arrives in the page. */
bool arrives(DmaDevice& dma, const RevocableBuffer& subject, std::uint64_t page,
             std::uint64_t iova) {
    dma.load(); /* a word that no page has */
    dma.start_write(iova, 1);
    dma.wait();
    return word_in(subject.view(), page) == dma.loaded_word(1);
}

/* No write to this address arrives in the page, and the IOMMU reports the fault. */
void expect_dead(DmaDevice& dma, ExpectedFaults& faults, const RevocableBuffer& subject,
                 std::uint64_t page, std::uint64_t iova, const std::string& what) {
    if (ksft::expect(!arrives(dma, subject, page, iova), what)) /* else no fault will come */
        dma.expect_fault_at(iova, faults);
}

/*
 * Each end is reported as a fault of this device at this page. The kernel reports faults in the
 * order of the accesses, so a fault of an earlier access would have been reported before.
 */
void each_end_gives_a_fault(DmaDevice& dma, const RevocableBuffer& subject) {
    ExpectedFaults faults = dma.expect_faults();

    for (const Ending& ending : subject.endings) {
        (void)dma.space().map(subject.at(base)).value();
        ksft::expect(arrives(dma, subject, 3, iova_of(3)), "a write to a new mapping arrives");
        ending.end();
        dma.expect_fault_at(iova_of(5), faults);
        ending.come_back();
        dma.expect_fault_at(iova_of(6), faults);
        ksft::expect_eq(faults.count_at(iova_of(3)), 0, "faults of a mapping that lives");
        (void)dma.space().unmap(base, RevocableBuffer::bytes()).value();
    }
    dma.end(faults);
}

void testexp_faults() {
    require_pfn_importer();

    DmaDevice dma;
    RevocableTestexp buffer(TESTEXP_CREATE_REVOCABLE);

    each_end_gives_a_fault(dma, buffer.subject());
}

void vfio_faults() {
    require_pfn_importer();

    DmaDevice dma;
    RevocableBar buffer(2);

    each_end_gives_a_fault(dma, buffer.subject());
}

/*
 * The device that exports is closed, while a DMA is under way and the buffer stays open. Where the
 * close takes longer than the DMA waits, only the DMA that starts afterwards is judged.
 */
void exporter_closed() {
    require_pfn_importer();

    DmaDevice dma;
    RevocableBar buffer(2);
    const RevocableBuffer subject = buffer.subject();
    ExpectedFaults faults = dma.expect_faults();

    (void)dma.space().map(subject.at(base)).value();
    for (const std::uint64_t page : {2, 4})
        word_in(buffer.view(), page) = signature;
    dma.start_write(iova_of(2), 2);
    buffer.close_device();

    const bool is_under_way = dma.is_running();

    dma.wait();
    dma.start_write(iova_of(4), 4);
    dma.wait();
    buffer.open_device();
    if (is_under_way)
        ksft::expect_eq(word_in(buffer.view(), 2), signature,
                        "a page that a DMA was under way to at the close");
    if (ksft::expect_eq(word_in(buffer.view(), 4), signature, "a page after the close"))
        dma.expect_fault_at(iova_of(4), faults);
    ksft::expect_eq(dma.space().map(subject.at(second_base)).code(), ENODEV,
                    "a new mapping of a buffer whose device was closed");
    (void)dma.space().unmap(base, RevocableBuffer::bytes()).value();
    dma.end(faults);
}

/* A write of the command register that leaves memory decode on takes nothing away. */
void harmless_write() {
    require_pfn_importer();

    DmaDevice dma;
    RevocableBar buffer(2);
    const RevocableBuffer subject = buffer.subject();
    ExpectedFaults faults = dma.expect_faults();

    (void)dma.space().map(subject.at(base)).value();
    for (const bool on : {true, false}) {
        buffer.set_bus_master(on).value();
        ksft::expect(arrives(dma, subject, 3, iova_of(3)),
                     std::string("a write arrives after bus master ") + (on ? "on" : "off"));
    }
    (void)dma.space().unmap(base, RevocableBuffer::bytes()).value();
    dma.end(faults);
    ksft::expect_eq(faults.count_at(iova_of(3)), 0, "faults of a mapping that lives");
}

/* --- What is made of a mapping ---------------------------------------------- */

/* COPY makes a second mapping of the same pages, before the revoke or after the revoke. */
void copied(bool before) {
    require_pfn_importer();

    DmaDevice dma;
    RevocableTestexp buffer(TESTEXP_CREATE_REVOCABLE);
    const RevocableBuffer subject = buffer.subject();
    const std::uint64_t bytes = RevocableBuffer::bytes();
    ExpectedFaults faults = dma.expect_faults();
    const auto copy = [&] { return dma.space().copy(dma.space(), base, bytes, second_base); };

    (void)dma.space().map(subject.at(base)).value();
    if (before) {
        (void)copy().value();
        ksft::expect(arrives(dma, subject, 1, second_base + page_bytes()),
                     "a write to the copy arrives");
    }
    subject.endings[0].end();
    if (!before)
        ksft::expect_eq(copy().code(), 0, "COPY of a dead mapping, whose addresses are in use");
    subject.endings[0].come_back();
    expect_dead(dma, faults, subject, 1, second_base + page_bytes(),
                "no write to the copy arrives after the revoke");
    expect_dead(dma, faults, subject, 1, iova_of(1), "no write arrives after the revoke");
    ksft::expect_eq(dma.space().unmap(second_base, bytes).value(), bytes,
                    "bytes of the copy that were unmapped");
    ksft::expect_eq(dma.space().unmap(base, bytes).value(), bytes, "bytes that were unmapped");
    expect_balance(buffer.stats());
    dma.end(faults);
}

/* A copy in another address space, which has a domain of its own. Both mappings must end. */
void copied_elsewhere() {
    require_pfn_importer();

    DmaDevice dma;
    RevocableTestexp buffer(TESTEXP_CREATE_REVOCABLE);
    const RevocableBuffer subject = buffer.subject();
    const std::uint64_t bytes = RevocableBuffer::bytes();
    const AddressSpace other = AddressSpace::make(dma.vfio().iommufd()).value();
    const Domain domain =
        Domain::make(dma.vfio().iommufd(), dma.vfio().id_in_iommufd(), other).value();
    ExpectedFaults faults = dma.expect_faults();
    const auto writes_arrive_at = [&](std::uint64_t page, std::uint32_t id) {
        dma.load();

        const Attached attached = Attached::attach(dma.vfio().fd(), id).value();

        dma.start_write(iova_of(page), 1);
        dma.wait();
        return word_in(subject.view(), page) == dma.loaded_word(1);
    };
    const auto attach_again = [&] { return Attached::attach(dma.vfio().fd(), dma.space().id()); };

    (void)dma.space().map(subject.at(base)).value();
    (void)other.copy(dma.space(), base, bytes, base).value();
    ksft::expect(writes_arrive_at(1, domain.id()), "a write through the copy arrives");
    {
        const Attached first = attach_again().value();

        subject.endings[0].end();
        subject.endings[0].come_back();
        ksft::expect(!arrives(dma, subject, 2, iova_of(2)), "no write arrives after the revoke");
        ksft::expect(!writes_arrive_at(3, domain.id()),
                     "no write through the copy arrives after the revoke");
    }
    (void)other.unmap(base, bytes).value();
    (void)dma.space().unmap(base, bytes).value();
    expect_balance(buffer.stats());
    dma.end(faults);
}

/*
 * A copy of a part has neighbours on both sides, without a gap. The end of the buffer takes the
 * copy and leaves the neighbours.
 */
void part_is_copied() {
    require_pfn_importer();

    constexpr std::uint64_t first = 2;
    constexpr std::uint64_t count = 3;
    const EduBehindIommu edu;
    const AddressSpace space = AddressSpace::make(edu.iommufd()).value();
    const Attached attached = Attached::attach(edu.device().fd(), space.id()).value();
    const KnownBuffer neighbour =
        make_layout({"", Layout{}.ram(1, {.repeat = 8}), TESTEXP_CREATE_SCATTER});
    RevocableTestexp buffer(TESTEXP_CREATE_REVOCABLE);
    const RevocableBuffer subject = buffer.subject();
    const std::uint64_t copy = second_base + neighbour.bytes();
    const std::uint64_t behind = copy + bytes_of(count);
    std::vector<IommuLeaf> neighbours = expected_leaves(second_base, neighbour.pages);

    std::ranges::copy(expected_leaves(behind, neighbour.pages), std::back_inserter(neighbours));
    for (const std::uint64_t iova : {second_base, behind})
        (void)space
            .map({.file = neighbour.fd.get(), .length_bytes = neighbour.bytes(), .iova = iova})
            .value();
    (void)space.map(subject.at(base)).value();
    (void)space.copy(space, iova_of(first), bytes_of(count), copy).value();
    ksft::expect_eq(mapped_bytes(edu.device().name()),
                    2 * neighbour.bytes() + RevocableBuffer::bytes() + bytes_of(count),
                    "bytes that are mapped before the revoke");
    subject.endings[0].end();
    edu.expect_table(neighbours, "after the revoke");
    subject.endings[0].come_back();
    ksft::expect_eq(space.unmap(copy, bytes_of(count)).value(), bytes_of(count),
                    "bytes of the copy that were unmapped");
    (void)space.unmap(base, RevocableBuffer::bytes()).value();
    edu.expect_table(neighbours, "after unmap");
    expect_balance(buffer.stats());
}

/*
 * An end empties each domain, whether the map or the making of the domain filled the domain. A
 * domain that is made after the end is filled from what iommufd has kept of the mapping, which is
 * nothing.
 */
enum class Made { before_map, before_revoke, after_revoke };

void second_domain(Made made) {
    require_pfn_importer();

    DmaDevice dma;
    RevocableTestexp buffer(TESTEXP_CREATE_REVOCABLE);
    const RevocableBuffer subject = buffer.subject();
    ExpectedFaults faults = dma.expect_faults();
    std::optional<Domain> domain;
    const auto make_domain = [&] {
        domain.emplace(
            Domain::make(dma.vfio().iommufd(), dma.vfio().id_in_iommufd(), dma.space()).value());
    };

    if (made == Made::before_map)
        make_domain();
    (void)dma.space().map(subject.at(base)).value();
    if (made == Made::before_revoke)
        make_domain();
    subject.endings[0].end();
    if (made == Made::after_revoke)
        make_domain();
    subject.endings[0].come_back();
    {
        const Attached attached =
            Attached::attach(dma.vfio().fd(), domain->id()).value(); /* instead of the first */

        expect_dead(dma, faults, subject, 1, iova_of(1),
                    "no write arrives through the other domain");
        (void)dma.space().unmap(base, RevocableBuffer::bytes()).value();
        (void)dma.space().map(subject.at(base)).value();
        ksft::expect(arrives(dma, subject, 3, iova_of(3)),
                     "a write to a new mapping arrives through the other domain");
        (void)dma.space().unmap(base, RevocableBuffer::bytes()).value();
        dma.end(faults);
    }
    expect_balance(buffer.stats());
}

/* --- MOVE ------------------------------------------------------------------- */

void pinned_does_not_move() {
    require_pfn_importer();

    const std::uint64_t violations = poison_violations();
    {
        DmaDevice dma;
        RevocableTestexp buffer(TESTEXP_CREATE_DYNAMIC);
        const RevocableBuffer subject = buffer.subject();
        ExpectedFaults faults = dma.expect_faults();

        (void)dma.space().map(subject.at(base)).value();
        ksft::expect_eq(subject.move().code(), EBUSY, "MOVE of a mapped buffer");
        ksft::expect(arrives(dma, subject, 3, iova_of(3)), "a write arrives after this MOVE");
        (void)dma.space().unmap(base, RevocableBuffer::bytes()).value();
        subject.move().value();
        expect_dead(dma, faults, subject, 3, iova_of(3), "no write arrives after UNMAP");
        (void)dma.space().map(subject.at(base)).value();
        ksft::expect(arrives(dma, subject, 3, iova_of(3)), "a write arrives in the new page");
        (void)dma.space().unmap(base, RevocableBuffer::bytes()).value();
        subject.move().value(); /* compares the pages that the first MOVE left with poison */
        expect_balance(buffer.stats());
        dma.end(faults);
    }
    ksft::expect_eq(poison_violations(), violations, "poison_violations");
}

/* --- Map against revoke ----------------------------------------------------- */

/*
 * One thread maps, and another thread revokes. Whichever call is first, nothing is mapped when both
 * calls have returned. The buffer has so many runs that the revoke often comes while iommufd makes
 * its list.
 */
void map_against_revoke() {
    require_pfn_importer();
    mount_debugfs();

    DmaDevice dma;
    const std::uint64_t pages = is_debug_kernel() ? 300 : 3000;
    const std::uint64_t bytes = pages * page_bytes();
    const Buffer buffer = device()
                              .create({.layout = Layout{}.ram(1, {.repeat = pages}),
                                       .flags = TESTEXP_CREATE_REVOCABLE | TESTEXP_CREATE_SCATTER})
                              .value();
    const int fd = buffer.fd.get();
    const MapRequest request{.file = fd, .length_bytes = bytes, .iova = base};
    std::mt19937_64 random(seed());
    std::uint64_t mapped = 0;
    std::uint64_t refused = 0;

    (void)dma.space().map(request).value();
    ksft::expect_eq(mapped_bytes(dma.name()), bytes,
                    "bytes in the page table of the IOMMU of a mapping that lives");
    (void)dma.space().unmap(base, bytes).value();
    ksft::note("seed " + std::to_string(seed()));
    for (int round = 0; round < most_races && (round < nr_races() || !mapped || !refused);
         round++) {
        auto map = in_thread([&] { return dma.space().map(request).code(); });

        usleep(static_cast<useconds_t>(random() % 3000));
        device().revoke(fd).value();

        const int code = map.get();

        (code == 0 ? mapped : refused)++;
        ksft::expect(code == 0 || code == ENODEV, "map succeeds or fails with ENODEV");
        ksft::expect_eq(mapped_bytes(dma.name()), 0, "bytes that are mapped after the revoke");
        device().restore(fd).value();
        if (code == 0)
            ksft::expect_eq(dma.space().unmap(base, bytes).value(), bytes,
                            "bytes that were unmapped");
    }
    ksft::note(std::to_string(mapped) + " mapped, " + std::to_string(refused) + " refused");
    ksft::expect(mapped > 0 && refused > 0, "each of map and revoke came first");
    expect_balance(device().stats(fd).value());
}

/*
 * How long a thread waits before a call that shall come when the call of another thread ends. The
 * thread does not sleep, because a sleep takes longer than the call.
 */
class Pause {
public:
    void wait() const {
        const auto end = std::chrono::steady_clock::now() + length_;

        while (std::chrono::steady_clock::now() < end)
            ;
    }

    /* @was_late: the other call had ended. The steps become small where the answer changes. */
    void adjust(bool was_late) {
        step_ = was_late == was_late_ ? 2 * step_ : std::max(step_ / 4, shortest_step);
        was_late_ = was_late;
        length_ =
            was_late ? std::max(length_ - step_, std::chrono::microseconds(0)) : length_ + step_;
    }

private:
    static constexpr std::chrono::microseconds shortest_step{1};

    std::chrono::microseconds length_{0};
    std::chrono::microseconds step_{8};
    bool was_late_ = false;
};

/*
 * One thread unmaps, and another thread revokes when the unmap is about to end. The list of runs,
 * which both calls free, is long, so that its end takes time.
 */
void unmap_against_revoke(bool in_domain) {
    require_pfn_importer();
    mount_debugfs();

    DmaDevice dma;
    const AddressSpace lone = AddressSpace::make(dma.vfio().iommufd()).value();
    const AddressSpace& space = in_domain ? dma.space() : lone;
    const std::uint64_t pages = !in_domain ? 16000 : is_debug_kernel() ? 300 : 3000;
    const std::uint64_t bytes = pages * page_bytes();
    const Buffer buffer = device()
                              .create({.layout = Layout{}.ram(1, {.repeat = pages}),
                                       .flags = TESTEXP_CREATE_REVOCABLE | TESTEXP_CREATE_SCATTER})
                              .value();
    const int fd = buffer.fd.get();
    Pause pause;
    std::uint64_t unmapped = 0;
    std::uint64_t revoked = 0;

    for (int round = 0; round < most_races && (round < nr_races() || !unmapped || !revoked);
         round++) {
        (void)space.map({.file = fd, .length_bytes = bytes, .iova = base}).value();

        auto unmap = in_thread([&] { return space.unmap(base, bytes).value(); });

        pause.wait();
        device().revoke(fd).value();

        const testexp_stats stats = device().stats(fd).value();
        const bool is_late = stats.detaches == stats.attaches;

        pause.adjust(is_late);
        (is_late ? unmapped : revoked)++;
        ksft::expect_eq(unmap.get(), bytes, "bytes that were unmapped");
        ksft::expect_eq(mapped_bytes(dma.name()), 0, "bytes that are mapped after both calls");
        device().restore(fd).value();
    }
    ksft::note(std::to_string(unmapped) + " unmapped, " + std::to_string(revoked) +
               " revoked before the unmap ended");
    ksft::expect(unmapped > 0 && revoked > 0, "each of unmap and revoke ended first");
    expect_balance(device().stats(fd).value());
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    (void)has_pfn_importer(); /* this also loads the drivers, once for all cases */
    plan.add("P24.storm[exporter=testexp,buffer=revocable]",
             [] { testexp_storm(TESTEXP_CREATE_REVOCABLE); });
    plan.add("P24.storm[exporter=testexp,buffer=dynamic]",
             [] { testexp_storm(TESTEXP_CREATE_DYNAMIC); });
    plan.add("P24.storm[exporter=vfio,ranges=1]", [] { vfio_storm(1); });
    plan.add("P24.storm[exporter=vfio,ranges=2]", [] { vfio_storm(2); });
    plan.add("P24.fault_is_reported[exporter=testexp]", testexp_faults);
    plan.add("P24.fault_is_reported[exporter=vfio]", vfio_faults);
    plan.add("P24.exporter_closed[exporter=vfio]", exporter_closed);
    plan.add("P24.harmless_write[exporter=vfio]", harmless_write);
    plan.add("P24.copy[made=before_revoke]", [] { copied(true); });
    plan.add("P24.copy[made=after_revoke]", [] { copied(false); });
    plan.add("P24.copy[into=another_address_space]", copied_elsewhere);
    plan.add("P24.copy[of=part]", part_is_copied);
    plan.add("P24.domain[made=before_map]", [] { second_domain(Made::before_map); });
    plan.add("P24.domain[made=before_revoke]", [] { second_domain(Made::before_revoke); });
    plan.add("P24.domain[made=after_revoke]", [] { second_domain(Made::after_revoke); });
    plan.add("P24.map_against_revoke", map_against_revoke);
    plan.add("P24.unmap_against_revoke[domain=edu]", [] { unmap_against_revoke(true); });
    plan.add("P24.unmap_against_revoke[domain=none]", [] { unmap_against_revoke(false); });
    plan.add("P23.pinned_does_not_move", pinned_does_not_move);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
