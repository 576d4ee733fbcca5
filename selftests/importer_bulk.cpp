// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: a device that IOMMUFD serves reads and writes the right memory for every page of a buffer
 * (P23). Once a call has returned that takes the buffer away, no page of the buffer is reached any
 * more, while the device copies in a loop (P24).
 *
 * Method: the network device igb copies pages in loopback, each as one frame. Each page and each
 * direction has contents that nothing else has. The processor writes and reads them through the
 * memfd of udmabuf, the VFIO device's own file, or the exporter's mmap, so nothing comes from
 * get_pfn. A copy that starts after the call has contents of its own, too.
 *
 * Does not see: a page that is mapped beside the buffer (real_importers compares page tables); the
 * instant of a revoke within a copy, because QEMU copies all frames while the processor waits for
 * one access to a register.
 */
#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>

#include <sys/mman.h>
#include <unistd.h>

#include "address_space.hpp"
#include "dma_device.hpp"
#include "fixture.hpp"
#include "igb.hpp"
#include "iommu_faults.hpp"
#include "iommufd_importer.hpp"
#include "ivshmem.hpp"
#include "kernel_exporters.hpp"
#include "lifetime.hpp"
#include "reference_buffers.hpp"
#include "value_or_skip.hpp"
#include "vfio_binding.hpp"

using namespace testexp;

namespace {

/* Where the device finds the buffer, ordinary memory, and what the device needs itself. */
constexpr std::uint64_t buffer_iova = std::uint64_t{1} << 36;
constexpr std::uint64_t scratch_iova = std::uint64_t{1} << 32;
constexpr std::uint64_t own_iova = std::uint64_t{1} << 28;

/* --- Contents --------------------------------------------------------------- */

constexpr std::uint64_t words_per_page = Igb::frame_bytes / sizeof(std::uint64_t);

/*
 * A word tells its place in the buffer and a round. The bits in between hold the type of a frame,
 * so that each page is a frame that the device copies (Igb::type).
 */
constexpr std::uint64_t frame_type = std::to_integer<std::uint64_t>(Igb::type[0]) |
                                     std::to_integer<std::uint64_t>(Igb::type[1]) << 8;
static_assert(Igb::type_offset % sizeof(std::uint64_t) == 4);

constexpr std::uint64_t most_rounds = 0xffff;

std::uint64_t word_of(std::uint64_t page, std::uint64_t at, std::uint64_t round) {
    return round << 48 | frame_type << 32 | (page * words_per_page + at);
}

std::uint64_t* page_in(const Mapping& memory, std::uint64_t page) {
    return reinterpret_cast<std::uint64_t*>(memory.bytes().data() + bytes_of(page));
}

std::uint64_t pages_in(const Mapping& memory) {
    return memory.bytes().size() / page_bytes();
}

void sign(const Mapping& memory, std::uint64_t round) {
    for (std::uint64_t page = 0; page < pages_in(memory); page++)
        for (std::uint64_t at = 0; at < words_per_page; at++)
            page_in(memory, page)[at] = word_of(page, at, round);
}

bool is_signed(const std::uint64_t* words, std::uint64_t page, std::uint64_t round) {
    for (std::uint64_t at = 0; at < words_per_page; at++)
        if (words[at] != word_of(page, at, round))
            return false;
    return true;
}

/* Compares each word of each page. */
void expect_signed(const Mapping& memory, std::uint64_t round, const std::string& what) {
    std::uint64_t nr_wrong = 0;
    std::string first;

    for (std::uint64_t page = 0; page < pages_in(memory); page++) {
        const std::uint64_t* const words = page_in(memory, page);

        if (is_signed(words, page, round))
            continue;
        if (nr_wrong++ == 0)
            first = "; page " + std::to_string(page) + " begins as page " +
                    std::to_string((words[0] & UINT32_MAX) / words_per_page) + " of round " +
                    std::to_string(words[0] >> 48);
    }
    ksft::expect_eq(nr_wrong, 0, "wrong pages " + what + first);
}

/* --- Buffers ---------------------------------------------------------------- */

/* A dma-buf, what it depends on, and its pages as the processor sees them without get_pfn. */
struct Shared {
    std::shared_ptr<void> keeper;
    int fd;
    std::uint64_t nr_pages;
    std::function<Mapping()> view;
    std::function<void()> end = {}; /* takes the buffer away */
    std::function<void()> come_back = {};

    MapRequest whole() const {
        return {.file = fd, .length_bytes = bytes_of(nr_pages), .iova = buffer_iova};
    }
};

struct Maker {
    std::string name;
    std::function<Shared()> make;
};

std::vector<Mapping::Piece> in_file(const std::vector<Piece>& pieces, std::uint64_t start_page) {
    std::vector<Mapping::Piece> found;

    found.reserve(pieces.size());
    for (const Piece& piece : pieces)
        found.push_back({start_page + piece.first, piece.count});
    return found;
}

std::uint64_t count_pages(const std::vector<Piece>& pieces) {
    std::uint64_t count = 0;

    for (const Piece& piece : pieces)
        count += piece.count;
    return count;
}

/* Ranges of the BAR of ivshmem, which is RAM. Memory decode off takes the buffer away. */
struct VfioBuffer {
    VfioBinding binding;
    VfioDevice device;
    Fd fd;

    explicit VfioBuffer(const std::vector<Piece>& pieces)
        : binding(ivshmem_id), device(value_or_skip(VfioDevice::open(binding.device()))),
          fd(value_or_skip(device.export_dma_buf(ivshmem_bar, vfio_ranges(pieces)))) {}
};

Shared make_vfio(const std::vector<Piece>& pieces) {
    auto buffer = std::make_shared<VfioBuffer>(pieces);
    const VfioDevice* device = &buffer->device;
    const int fd = buffer->fd.get();
    const auto decode = [=](bool on) { device->set_memory_decode(on).value(); };

    return {.keeper = std::move(buffer),
            .fd = fd,
            .nr_pages = count_pages(pieces),
            .view =
                [=] {
                    const auto start = device->region_offset(ivshmem_bar).value();

                    return Mapping::map_pieces(device->fd(), in_file(pieces, start / page_bytes()))
                        .value();
                },
            .end = [=] { decode(false); },
            .come_back = [=] { decode(true); }};
}

Shared make_udmabuf(const UdmabufList& list) {
    REQUIRE(udmabuf.has_get_pfn(), "udmabuf has no get_pfn in this kernel");

    auto buffer = std::make_shared<ReferenceBuffer>(make_udmabuf_list(list));
    const int memory = buffer->memory.get();
    const int fd = buffer->fd.get();
    const std::uint64_t nr_pages = count_pages(list.pieces);

    /* No mapping of a memfd of huge pages begins within a huge page. */
    return {.keeper = std::move(buffer), .fd = fd, .nr_pages = nr_pages, .view = [=] {
                return (list.huge ? Mapping::map(fd, nr_pages)
                                  : Mapping::map_pieces(memory, in_file(list.pieces, 0)))
                    .value();
            }};
}

Shared make_heap_buffer(std::uint64_t nr_pages) {
    REQUIRE(system_heap.has_get_pfn(), "the heap has no get_pfn in this kernel");

    auto buffer = std::make_shared<ReferenceBuffer>(make_system_heap(nr_pages));
    const int fd = buffer->fd.get();

    return {.keeper = std::move(buffer), .fd = fd, .nr_pages = nr_pages, .view = [=] {
                return Mapping::map(fd, nr_pages).value();
            }};
}

bool has_mmio(const Layout& layout) {
    return std::ranges::any_of(layout.extents, [](const testexp_extent& extent) {
        return extent.type == TESTEXP_EXTENT_MMIO;
    });
}

Shared make_testexp(const Layout& layout, std::uint32_t flags = TESTEXP_CREATE_SCATTER) {
    if (has_mmio(layout))
        (void)mmio_bar(); /* skips when the module has none */

    auto buffer =
        std::make_shared<Buffer>(device().create({.layout = layout, .flags = flags}).value());
    const int fd = buffer->fd.get();
    const std::uint64_t nr_pages = buffer->nr_pages;

    return {.keeper = std::move(buffer),
            .fd = fd,
            .nr_pages = nr_pages,
            .view = [=] { return Mapping::map(fd, nr_pages).value(); },
            .end = [=] { device().revoke(fd).value(); },
            .come_back = [=] { device().restore(fd).value(); }};
}

std::vector<Maker> makers() {
    constexpr Kind write_combined{.cache = TESTEXP_CACHE_WC};
    const BarRanges ranges[] = {
        {"two", {{4096, 3000}, {7, 4000}}},
        {"short", {{0, 3}, {4099, 1021}, {2048, 256}, {1792, 256}, {16000, 256}}},
    };
    const std::pair<const char*, Layout> layouts[] = {
        {"odd_start", Layout{}.ram(1).ram(700, {.align_order = 9, .skew = 1}).ram(5)},
        {"backwards", Layout{}.ram(1, {.repeat = 600})},
        {"many_runs", Layout{}.ram(1, {.repeat = 6000})},
        {"mixed", Layout{}.ram(3).mmio(0, 2).ram(1).mmio(2, 5).ram(513, {.align_order = 9})},
        {"two_cache_modes", Layout{}.mmio(0, 512).mmio(1024, 512, write_combined).ram(1)},
        {"16M", Layout::uniform(std::uint64_t{16} << 20, 9)},
    };
    std::vector<Maker> all;

    for (const BarRanges& wanted : ranges)
        all.push_back({std::string("exporter=vfio,ranges=") + wanted.name,
                       [=] { return make_vfio(wanted.pieces); }});
    for (const UdmabufList& list : udmabuf_lists())
        if (const std::string name = list.name;
            name == "shuffled" || name == "huge_reordered" || name == "huge_cut")
            all.push_back({"exporter=udmabuf,list=" + name, [=] { return make_udmabuf(list); }});
    for (const std::uint64_t nr_pages : {256 * 3 + 16 * 5 + 3, 4096})
        all.push_back({"exporter=system_heap,pages=" + std::to_string(nr_pages),
                       [=] { return make_heap_buffer(nr_pages); }});
    for (const auto& [name, layout] : layouts)
        all.push_back({std::string("exporter=testexp,layout=") + name,
                       [layout = layout] { return make_testexp(layout); }});
    return all;
}

/* --- The device ------------------------------------------------------------- */

struct RequiredIgb : RequiredImporter {
    RequiredIgb() {
        REQUIRE(!find_free_device(igb_id).empty(),
                "this machine has no network device igb (8086:10c9) without a driver; "
                "scripts/vm --qemu backports --iommu --igb has this device");
    }
};

class BulkDevice : RequiredIgb {
public:
    BulkDevice()
        : binding_(igb_id), device_(value_or_skip(VfioDevice::open(binding_.device()))),
          space_(value_or_skip(AddressSpace::make(device_.iommufd()))),
          attached_(value_or_skip(Attached::attach(device_.fd(), space_.id()))),
          igb_(Igb::make(device_, space_, own_iova).value()) {
        mount_debugfs(); /* for ExpectedFaults */
        REQUIRE(!device_.is_noiommu(), "without an IOMMU nothing ends a device's access");
    }

    const std::string& name() const { return device_.name(); }
    const AddressSpace& space() const { return space_; }

    /* From now on the device uses a domain that iommufd makes and fills in this call. */
    void use_new_domain() {
        domain_.emplace(Domain::make(device_.iommufd(), device_.id_in_iommufd(), space_).value());
        (void)attached_.change_to(domain_->id()).value();
    }

    /* Copies pages from addresses to addresses. Returns how many pages the device could read. */
    std::uint64_t copy(std::uint64_t source, std::uint64_t target, std::uint64_t nr_pages) {
        std::vector<Igb::Copy> part;
        std::uint64_t nr_read = 0;

        for (std::uint64_t page = 0; page < nr_pages; page++) {
            part.push_back({source + bytes_of(page), target + bytes_of(page)});
            if (part.size() == Igb::most_copies || page + 1 == nr_pages) {
                nr_read += igb_.copy(part).value();
                part.clear();
            }
        }
        return nr_read;
    }

private:
    VfioBinding binding_;
    VfioDevice device_;
    AddressSpace space_;
    std::optional<Domain> domain_;
    Attached attached_;
    Igb igb_;
};

/* Ordinary memory for one side of each copy. */
class Scratch {
public:
    Scratch(const AddressSpace& space, std::uint64_t nr_pages)
        : memory_(make(nr_pages)), mapping_(Mapping::map(memory_.get(), nr_pages).value()) {
        (void)space
            .map({.file = memory_.get(), .length_bytes = bytes_of(nr_pages), .iova = scratch_iova})
            .value();
    }

    const Mapping& view() const { return mapping_; }

    void clear() const { std::memset(mapping_.bytes().data(), 0, mapping_.bytes().size()); }

private:
    static Fd make(std::uint64_t nr_pages) {
        Fd memory(memfd_create("importer_bulk", MFD_CLOEXEC));

        if (!memory || ftruncate(memory.get(), static_cast<off_t>(bytes_of(nr_pages))) < 0)
            throw std::runtime_error(errno_error("memfd").what);
        return memory;
    }

    Fd memory_;
    Mapping mapping_;
};

/* --- Every page ------------------------------------------------------------- */

enum class FilledBy { map, new_domain };

void every_page(const Maker& maker, FilledBy filled_by) {
    BulkDevice device;
    const Shared buffer = maker.make();
    const Scratch scratch(device.space(), buffer.nr_pages);
    const Mapping view = buffer.view();

    (void)device.space().map(buffer.whole()).value();
    if (filled_by == FilledBy::new_domain)
        device.use_new_domain();

    sign(view, 1);
    ksft::expect_eq(device.copy(buffer_iova, scratch_iova, buffer.nr_pages), buffer.nr_pages,
                    "pages that the device read");
    expect_signed(scratch.view(), 1, "that the device read");

    sign(scratch.view(), 2);
    ksft::expect_eq(device.copy(scratch_iova, buffer_iova, buffer.nr_pages), buffer.nr_pages,
                    "pages that the device read in memory");
    expect_signed(view, 2, "that the device wrote");
    ksft::expect_eq(device.space().unmap(buffer_iova, bytes_of(buffer.nr_pages)).value(),
                    bytes_of(buffer.nr_pages), "bytes that were unmapped");
}

/* --- Revoke in a loop of copies --------------------------------------------- */

/* A thread in which the device writes the whole buffer again and again, in rounds from 1 on. */
class Writer {
public:
    Writer(BulkDevice& device, const Scratch& scratch, std::uint64_t nr_pages)
        : thread_(in_thread([this, &device, &scratch, nr_pages] {
              while (!stop_ && started_ < most_rounds) {
                  sign(scratch.view(), started_ + 1);
                  started_++;
                  (void)device.copy(scratch_iova, buffer_iova, nr_pages);
                  finished_++;
              }
          })) {}
    ~Writer() { stop_ = true; }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    /* The last round that may have begun. */
    std::uint64_t started() const { return started_; }

    void wait_for_round(std::uint64_t round) const {
        while (finished_ < round && is_running(thread_))
            std::this_thread::sleep_for(limits::look_again);
    }

    /* Throws what the thread has thrown. */
    void stop() {
        stop_ = true;
        thread_.get();
    }

private:
    std::atomic<bool> stop_ = false;
    std::atomic<std::uint64_t> started_ = 0;
    std::atomic<std::uint64_t> finished_ = 0;
    std::future<void> thread_; /* the last member: the thread uses the others */
};

/* Expects in each word its own place, and a round that had begun when the buffer was taken away. */
void expect_no_later_round(const Mapping& view, std::uint64_t last) {
    std::uint64_t nr_late = 0;
    std::uint64_t nr_misplaced = 0;

    for (std::uint64_t page = 0; page < pages_in(view); page++)
        for (std::uint64_t at = 0; at < words_per_page; at++) {
            const std::uint64_t word = page_in(view, page)[at];

            nr_late += word >> 48 > last;
            nr_misplaced += word != word_of(page, at, word >> 48);
        }
    ksft::expect_eq(nr_late, 0, "words of a copy that began after the buffer was taken away");
    ksft::expect_eq(nr_misplaced, 0, "words that belong elsewhere");
}

/* No page that the device copies has contents of the buffer: QEMU copies zeros or nothing. */
void expect_unreadable(BulkDevice& device, const Scratch& scratch, std::uint64_t nr_pages) {
    std::uint64_t nr_seen = 0;

    scratch.clear();
    (void)device.copy(buffer_iova, scratch_iova, nr_pages);
    for (std::uint64_t page = 0; page < nr_pages; page++)
        nr_seen += (page_in(scratch.view(), page)[words_per_page - 1] >> 32 & 0xffff) == frame_type;
    ksft::expect_eq(nr_seen, 0, "pages that the device read after the buffer was taken away");
    if (nr_seen > 0)
        ksft::fail("the device still reaches the buffer, so no fault will be reported");
}

/* Maps the buffer, and takes the buffer away while the device writes. The mapping stays dead. */
void end_while_writing(BulkDevice& device, const Shared& buffer, const Scratch& scratch) {
    constexpr std::uint64_t rounds = 3;
    std::uint64_t last = 0;

    sign(buffer.view(), 0);
    (void)device.space().map(buffer.whole()).value();

    Writer writer(device, scratch, buffer.nr_pages);

    writer.wait_for_round(rounds);
    buffer.end();
    last = writer.started();
    writer.wait_for_round(last + rounds);
    buffer.come_back();
    expect_no_later_round(buffer.view(), last);
    ksft::expect(page_in(buffer.view(), 0)[0] >> 48 >= rounds, "copies arrived before");
    writer.wait_for_round(writer.started() + rounds); /* the mapping stays dead */
    writer.stop();
    expect_no_later_round(buffer.view(), last);
    expect_unreadable(device, scratch, buffer.nr_pages);
    ksft::expect_eq(device.space().unmap(buffer_iova, bytes_of(buffer.nr_pages)).value(),
                    bytes_of(buffer.nr_pages), "bytes that were unmapped");
}

void taken_away(const std::function<Shared()>& make) {
    BulkDevice device;
    const Shared buffer = make();
    const Scratch scratch(device.space(), buffer.nr_pages);
    const IovaRange range{buffer_iova, buffer_iova + bytes_of(buffer.nr_pages) - 1};
    const auto access = [&] { (void)device.copy(scratch_iova, buffer_iova, 1); };
    ExpectedFaults faults(device.name(), range);

    for (int cycle = 0; cycle < (quick() || is_debug_kernel() ? 2 : 10); cycle++)
        end_while_writing(device, buffer, scratch);
    faults.until_reported(buffer_iova, access); /* nothing is mapped now */
    faults.end(buffer_iova, access);
}

void make_plan(ksft::Plan& plan) {
    constexpr std::uint32_t revocable = TESTEXP_CREATE_SCATTER | TESTEXP_CREATE_REVOCABLE;

    (void)device();
    (void)has_pfn_importer(); /* this also loads the drivers, once for all cases */
    for (const Maker& maker : makers()) {
        plan.add("P23.dma[pages=all," + maker.name + "]",
                 [=] { every_page(maker, FilledBy::map); });
        if (maker.name.ends_with("=many_runs") || maker.name.ends_with("ranges=two"))
            plan.add("P23.dma[pages=all,domain=new," + maker.name + "]",
                     [=] { every_page(maker, FilledBy::new_domain); });
    }
    plan.add("P24.storm[pages=all,exporter=testexp]", [] {
        taken_away([] { return make_testexp(Layout{}.ram(3, {.repeat = 100}), revocable); });
    });
    plan.add("P24.storm[pages=all,exporter=vfio]", [] {
        taken_away([] { return make_vfio({{512, 150}, {7, 150}}); });
    });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
