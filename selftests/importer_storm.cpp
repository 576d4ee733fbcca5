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
 * DMA at a time; faults that the kernel's rate limit leaves out of the log.
 */
#include <array>
#include <functional>
#include <optional>
#include <random>

#include <unistd.h>

#include "dma_device.hpp"
#include "iommu_table.hpp"
#include "lifetime.hpp"

using namespace testexp;

namespace {

constexpr std::uint64_t nr_pages = 8;
constexpr std::uint64_t base = DmaDevice::tested.first;
constexpr std::uint64_t second_base = base + 0x100'0000;
constexpr PciId ivshmem_id = {0x1af4, 0x1110};
constexpr std::uint32_t ivshmem_region = 2;

std::uint64_t iova_of(std::uint64_t page) {
    return base + page * page_bytes();
}

/* A call that takes a buffer away, and the call that brings it back. */
struct Ending {
    const char* name;
    std::function<void()> end;
    std::function<void()> come_back;
};

/* A buffer that a device accesses, and that can be taken away. */
struct Subject {
    int fd;
    std::vector<Ending> endings;
    std::function<Mapping()> view; /* maps the pages; not while the buffer is away */
    std::function<Status()> move;  /* nothing for a buffer that cannot move */
};

std::uint64_t& word_in(const Mapping& view, std::uint64_t page) {
    return *reinterpret_cast<std::uint64_t*>(view.bytes().data() + page * page_bytes());
}

MapRequest whole(int fd, std::uint64_t iova = base) {
    return {.file = fd, .length_bytes = nr_pages * page_bytes(), .iova = iova};
}

/* --- Buffers -------------------------------------------------------------- */

/* The pages of the test exporter's buffer: runs of several pages and of one. */
Layout layout_of(std::uint64_t step) {
    return step % 2 ? Layout{}.ram(1, {.repeat = nr_pages})
                    : Layout{}.ram(nr_pages / 2, {.align_order = 2, .repeat = 2});
}

class TestexpBuffer {
public:
    explicit TestexpBuffer(std::uint32_t flags)
        : buffer_(device()
                      .create({.layout = layout_of(0), .flags = flags | TESTEXP_CREATE_SCATTER})
                      .value()),
          is_dynamic_((flags & TESTEXP_CREATE_DYNAMIC) != 0) {}

    Subject subject() {
        const int fd = buffer_.fd.get();
        Subject subject{fd,
                        {{"REVOKE", [=] { device().revoke(fd).value(); },
                          [=] { device().restore(fd).value(); }}},
                        [=] { return Mapping::map(fd, nr_pages).value(); },
                        {}};

        if (is_dynamic_)
            subject.move = [this, fd] {
                return device().move(fd, layout_of(++nr_moves_), TESTEXP_MOVE_SCATTER);
            };
        return subject;
    }

    testexp_stats stats() const { return device().stats(buffer_.fd.get()).value(); }

private:
    Buffer buffer_;
    bool is_dynamic_;
    std::uint64_t nr_moves_ = 0;
};

/* A part of the BAR of ivshmem, in one range or in two that are swapped. */
class VfioBuffer {
public:
    explicit VfioBuffer(unsigned int nr_ranges)
        : binding_(ivshmem_id), device_(VfioDevice::open(binding_.device()).value()) {
        const std::uint64_t bytes = nr_pages * page_bytes() / nr_ranges;

        for (unsigned int i = nr_ranges; i-- > 0;)
            ranges_.push_back({i * bytes, bytes});
        buffer_ = device_->export_dma_buf(ivshmem_region, ranges_).value();
    }

    Subject subject() {
        const auto decode = [this](bool on) { device_->set_memory_decode(on).value(); };
        Subject subject{buffer_.get(),
                        {{"memory decode off", [=] { decode(false); }, [=] { decode(true); }}},
                        [this] { return view(); },
                        {}};

        if (device_->can_reset())
            subject.endings.push_back(
                {"reset", [this] { device_->reset().value(); }, [=] { decode(true); }});
        return subject;
    }

    void close_device() { device_.reset(); }
    void open_device() { device_.emplace(VfioDevice::open(binding_.device()).value()); }

    /* The pages in the order of the dma-buf. */
    Mapping view() const {
        const std::uint64_t start = device_->region_offset(ivshmem_region).value() / page_bytes();
        std::vector<Mapping::Piece> pieces;

        for (const VfioRange& range : ranges_)
            pieces.push_back(
                {start + range.offset_bytes / page_bytes(), range.length_bytes / page_bytes()});
        return Mapping::map_pieces(device_->fd(), pieces).value();
    }

private:
    VfioBinding binding_;
    std::optional<VfioDevice> device_;
    std::vector<VfioRange> ranges_;
    Fd buffer_;
};

/* --- The storm ------------------------------------------------------------ */

/* What the DMA saw that ran when a buffer was taken away. */
struct Seen {
    std::uint64_t arrived = 0; /* before the call */
    std::uint64_t refused = 0; /* ran when the call returned, and did not arrive */
};

class Storm {
public:
    Storm(DmaDevice& device, Subject subject, std::uint64_t random_seed)
        : device_(device), subject_(std::move(subject)), random_(random_seed) {
        const Mapping view = subject_.view();

        for (std::uint64_t page = 0; page < nr_pages; page++)
            word_in(view, page) = contents_[page] = signature + (page << 32);
    }

    /* Rounds until a read and a write have been seen both before and after an end. */
    void run(std::uint64_t nr_rounds) {
        for (std::uint64_t round = 0; round < most_rounds; round++) {
            if (round >= nr_rounds) {
                judge_reads();
                if (has_seen_enough())
                    break;
            }
            make_round();
        }
        judge_reads();
        ksft::note(std::to_string(reads_.arrived) + " reads and " +
                   std::to_string(writes_.arrived) + " writes arrived before an end, " +
                   std::to_string(reads_.refused) + " and " + std::to_string(writes_.refused) +
                   " were under way at an end and did not arrive");
        ksft::expect(has_seen_enough(),
                     "reads and writes arrived before an end, and were under way at an end");
    }

private:
    static constexpr std::uint64_t most_rounds = 200;

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

    void make_round() {
        const Ending& ending = subject_.endings[random(subject_.endings.size())];
        const bool writes = random(2) == 0;
        const std::uint64_t page = random(nr_pages);
        const std::uint64_t slot = next_slot();

        (void)device_.space().map(whole(subject_.fd)).value();
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

    void start(bool writes, std::uint64_t page, std::uint64_t slot) {
        if (writes)
            device_.start_write(iova_of(page), slot);
        else
            device_.start_read(iova_of(page), slot);
    }

    void note_end(bool writes, std::uint64_t page, std::uint64_t slot, Time time,
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
    void access_dead_mapping() {
        const bool writes = random(2) == 0;
        const std::uint64_t page = random(nr_pages);
        const std::uint64_t slot = next_slot();

        start(writes, page, slot);
        device_.wait();
        if (!writes)
            unjudged_.push_back({slot, contents_[page], Time::after});
    }

    void expect_contents(const std::string& when) {
        const Mapping view = subject_.view();

        for (std::uint64_t page = 0; page < nr_pages; page++)
            ksft::expect_eq(word_in(view, page), contents_[page],
                            "first word of page " + std::to_string(page) + " after " + when);
    }

    /* The pin lasts until the mapping is gone, although the mapping is dead. */
    void move_and_unmap() {
        if (subject_.move)
            ksft::expect_eq(subject_.move().code(), EBUSY, "MOVE of a mapped buffer");
        ksft::expect_eq(device_.space().unmap(base, nr_pages * page_bytes()).value(),
                        nr_pages * page_bytes(), "bytes that were unmapped");
        if (!subject_.move || random(2) == 0)
            return;
        subject_.move().value();
        expect_contents("MOVE");
        access_dead_mapping();
        expect_contents("a DMA to pages that the buffer left");
    }

    std::uint64_t next_slot() {
        if (slot_ == DmaDevice::nr_slots) {
            judge_reads();
            device_.load();
            slot_ = 0;
        }
        return slot_++;
    }

    void judge_reads() {
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

    DmaDevice& device_;
    Subject subject_;
    std::mt19937_64 random_;
    std::array<std::uint64_t, nr_pages> contents_{};
    std::vector<Read> unjudged_;
    std::uint64_t slot_ = 1;
    Seen reads_;
    Seen writes_;
};

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

void storm(DmaDevice& dma, Subject subject) {
    ExpectedFaults faults = dma.expect_faults();

    ksft::note("seed " + std::to_string(seed()));
    Storm(dma, std::move(subject), seed()).run(nr_rounds());
    dma.end(faults);
}

void testexp_storm(std::uint32_t flags) {
    require_pfn_importer();

    const std::uint64_t violations = poison_violations();
    {
        DmaDevice dma;
        TestexpBuffer buffer(flags);

        storm(dma, buffer.subject());
        expect_balance(buffer.stats());
    }
    ksft::expect_eq(poison_violations(), violations, "poison_violations");
}

void vfio_storm(unsigned int nr_ranges) {
    require_pfn_importer();

    DmaDevice dma;
    VfioBuffer buffer(nr_ranges);

    storm(dma, buffer.subject());
}

/* --- One end at a time ---------------------------------------------------- */

/* Whether a write to this address arrives in the page. */
bool arrives(DmaDevice& dma, const Subject& subject, std::uint64_t page, std::uint64_t iova) {
    dma.load(); /* a word that no page has */
    dma.start_write(iova, 1);
    dma.wait();
    return word_in(subject.view(), page) == dma.loaded_word(1);
}

/* Each end is reported as a fault of this device at this page; a mapping that lives has no fault.
 */
void each_end_gives_a_fault(DmaDevice& dma, const Subject& subject) {
    ExpectedFaults faults = dma.expect_faults();

    for (const Ending& ending : subject.endings) {
        const std::uint64_t before = faults.count_at(iova_of(3));

        (void)dma.space().map(whole(subject.fd)).value();
        ksft::expect(arrives(dma, subject, 3, iova_of(3)), "a write to a new mapping arrives");
        ksft::expect_eq(faults.count_at(iova_of(3)), before, "faults of a mapping that lives");
        ending.end();
        dma.expect_fault_at(iova_of(5), faults);
        ending.come_back();
        dma.expect_fault_at(iova_of(6), faults);
        (void)dma.space().unmap(base, nr_pages * page_bytes()).value();
    }
    dma.end(faults);
}

void testexp_faults() {
    require_pfn_importer();

    DmaDevice dma;
    TestexpBuffer buffer(TESTEXP_CREATE_REVOCABLE);

    each_end_gives_a_fault(dma, buffer.subject());
}

void vfio_faults() {
    require_pfn_importer();

    DmaDevice dma;
    VfioBuffer buffer(2);

    each_end_gives_a_fault(dma, buffer.subject());
}

/*
 * The device that exports is closed, while a DMA is under way and the buffer stays open. Where the
 * close takes longer than the DMA waits, only the DMA that starts afterwards is judged.
 */
void exporter_closed() {
    require_pfn_importer();

    DmaDevice dma;
    VfioBuffer buffer(2);
    const Subject subject = buffer.subject();
    ExpectedFaults faults = dma.expect_faults();

    (void)dma.space().map(whole(subject.fd)).value();
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
    ksft::expect_eq(word_in(buffer.view(), 4), signature, "a page after the close");
    ksft::expect_eq(dma.space().map(whole(subject.fd, second_base)).code(), ENODEV,
                    "a new mapping of a buffer whose device was closed");
    (void)dma.space().unmap(base, nr_pages * page_bytes()).value();
    dma.end(faults);
}

/* --- What is made of a mapping ---------------------------------------------- */

/* Two mappings of the same pages: the second is made by COPY, before the end or after it. */
void copied(bool before) {
    require_pfn_importer();

    DmaDevice dma;
    TestexpBuffer buffer(TESTEXP_CREATE_REVOCABLE);
    const Subject subject = buffer.subject();
    const std::uint64_t bytes = nr_pages * page_bytes();
    ExpectedFaults faults = dma.expect_faults();
    const auto copy = [&] { return dma.space().copy(dma.space(), base, bytes, second_base); };

    (void)dma.space().map(whole(subject.fd)).value();
    if (before) {
        (void)copy().value();
        ksft::expect(arrives(dma, subject, 1, second_base + page_bytes()),
                     "a write to the copy arrives");
    }
    subject.endings[0].end();

    /* The kernel may refuse the copy, or give a copy that is dead. */
    const bool is_mapped = before || copy().code() == 0;

    subject.endings[0].come_back();
    ksft::expect(!arrives(dma, subject, 1, second_base + page_bytes()),
                 "no write to the copy arrives after the revoke");
    ksft::expect(!arrives(dma, subject, 1, iova_of(1)), "no write arrives after the revoke");
    if (is_mapped)
        ksft::expect_eq(dma.space().unmap(second_base, bytes).value(), bytes,
                        "bytes of the copy that were unmapped");
    ksft::expect_eq(dma.space().unmap(base, bytes).value(), bytes, "bytes that were unmapped");
    expect_balance(buffer.stats());
    dma.end(faults);
}

/* A copy in another address space, with a domain of its own. Both must end. */
void copied_elsewhere() {
    require_pfn_importer();

    DmaDevice dma;
    TestexpBuffer buffer(TESTEXP_CREATE_REVOCABLE);
    const Subject subject = buffer.subject();
    const std::uint64_t bytes = nr_pages * page_bytes();
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

    (void)dma.space().map(whole(subject.fd)).value();
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
 * A domain that is made after the end is filled from what iommufd has kept of the mapping, which is
 * nothing. A domain that is made before the end is emptied as well.
 */
void later_domain(bool before) {
    require_pfn_importer();

    DmaDevice dma;
    TestexpBuffer buffer(TESTEXP_CREATE_REVOCABLE);
    const Subject subject = buffer.subject();
    ExpectedFaults faults = dma.expect_faults();
    std::optional<Domain> domain;
    const auto make_domain = [&] {
        domain.emplace(
            Domain::make(dma.vfio().iommufd(), dma.vfio().id_in_iommufd(), dma.space()).value());
    };

    (void)dma.space().map(whole(subject.fd)).value();
    if (before)
        make_domain();
    subject.endings[0].end();
    if (!before)
        make_domain();
    subject.endings[0].come_back();
    {
        const Attached attached =
            Attached::attach(dma.vfio().fd(), domain->id()).value(); /* instead of the first */

        ksft::expect(!arrives(dma, subject, 1, iova_of(1)),
                     "no write arrives through the other domain");
        (void)dma.space().unmap(base, nr_pages * page_bytes()).value();
        (void)dma.space().map(whole(subject.fd)).value();
        ksft::expect(arrives(dma, subject, 3, iova_of(3)),
                     "a write to a new mapping arrives through the other domain");
        (void)dma.space().unmap(base, nr_pages * page_bytes()).value();
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
        TestexpBuffer buffer(TESTEXP_CREATE_DYNAMIC);
        const Subject subject = buffer.subject();
        ExpectedFaults faults = dma.expect_faults();

        (void)dma.space().map(whole(subject.fd)).value();
        ksft::expect_eq(subject.move().code(), EBUSY, "MOVE of a mapped buffer");
        ksft::expect(arrives(dma, subject, 3, iova_of(3)), "a write arrives after this MOVE");
        (void)dma.space().unmap(base, nr_pages * page_bytes()).value();
        subject.move().value();
        ksft::expect(!arrives(dma, subject, 3, iova_of(3)), "no write arrives after UNMAP");
        (void)dma.space().map(whole(subject.fd)).value();
        ksft::expect(arrives(dma, subject, 3, iova_of(3)), "a write arrives in the new page");
        (void)dma.space().unmap(base, nr_pages * page_bytes()).value();
        subject.move().value(); /* compares the pages that the first MOVE left with poison */
        expect_balance(buffer.stats());
        dma.end(faults);
    }
    ksft::expect_eq(poison_violations(), violations, "poison_violations");
}

/* --- Map against revoke ----------------------------------------------------- */

/* Whether the IOMMU's page table maps something in the tested range. */
bool maps_something(const DmaDevice& dma) {
    for (const IommuLeaf& leaf : read_iommu_table(dma.name()).value())
        if (leaf.end() > DmaDevice::tested.first && leaf.iova <= DmaDevice::tested.last)
            return true;
    return false;
}

/*
 * One thread maps, another revokes. Whichever comes first: when both have returned, nothing is
 * mapped. The buffer has so many runs that the revoke often comes while iommufd makes its list.
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
    ksft::expect(maps_something(dma), "the page table of the IOMMU shows a mapping that lives");
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
        ksft::expect(!maps_something(dma), "nothing is mapped after the revoke");
        device().restore(fd).value();
        if (code == 0)
            ksft::expect_eq(dma.space().unmap(base, bytes).value(), bytes,
                            "bytes that were unmapped");
    }
    ksft::note(std::to_string(mapped) + " mapped, " + std::to_string(refused) + " refused");
    ksft::expect(mapped > 0 && refused > 0, "each of map and revoke came first");
    expect_balance(device().stats(fd).value());
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    (void)has_pfn_importer(); /* and loads the drivers, once for all cases */
    plan.add("P24.storm[exporter=testexp,buffer=revocable]",
             [] { testexp_storm(TESTEXP_CREATE_REVOCABLE); });
    plan.add("P24.storm[exporter=testexp,buffer=dynamic]",
             [] { testexp_storm(TESTEXP_CREATE_DYNAMIC); });
    plan.add("P24.storm[exporter=vfio,ranges=1]", [] { vfio_storm(1); });
    plan.add("P24.storm[exporter=vfio,ranges=2]", [] { vfio_storm(2); });
    plan.add("P24.fault_is_reported[exporter=testexp]", testexp_faults);
    plan.add("P24.fault_is_reported[exporter=vfio]", vfio_faults);
    plan.add("P24.exporter_closed[exporter=vfio]", exporter_closed);
    plan.add("P24.copy[made=before_revoke]", [] { copied(true); });
    plan.add("P24.copy[made=after_revoke]", [] { copied(false); });
    plan.add("P24.copy[into=another_address_space]", copied_elsewhere);
    plan.add("P24.domain[made=before_revoke]", [] { later_domain(true); });
    plan.add("P24.domain[made=after_revoke]", [] { later_domain(false); });
    plan.add("P24.map_against_revoke", map_against_revoke);
    plan.add("P23.pinned_does_not_move", pinned_does_not_move);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
