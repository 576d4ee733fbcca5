// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: used_pages counts all memory that a caller makes the module hold: RAM, arrays, sg_tables
 * while they are mapped, and the page tables of kernel mappings. At max_pages a call fails with
 * ENOSPC and changes nothing. A refused call makes no other call fail, and a FILL that already has
 * its table still works.
 *
 * Method: the charge of each object is computed and compared with INFO. Buffers of RAM take all but
 * a few pages of the limit; then come calls that need more.
 *
 * Does not see: the charge of the memory cgroup; objects of a fixed size, which are not counted.
 */
#include <atomic>
#include <cstdlib>
#include <optional>

#include <sys/ioctl.h>

#include "call.hpp"
#include "fixture.hpp"
#include "lifetime.hpp"

using namespace testexp;

namespace {

/* Sizes of a struct of the kernel and two of the module, on each 64-bit kernel from 6.1 on. */
constexpr std::uint64_t scatterlist_bytes = 32;
constexpr std::uint64_t layout_extent_bytes = 40;
constexpr std::uint64_t memory_run_bytes = 16;

constexpr std::uint64_t many_extents = 4096;

std::uint64_t pages_of_bytes(std::uint64_t bytes) {
    return (bytes + page_bytes() - 1) / page_bytes();
}

std::uint64_t used_pages() {
    return device().read_info().value().used_pages;
}

/* Extents that never merge, so each is a segment. */
Buffer scattered(std::uint32_t flags = 0) {
    return device()
        .create({.layout = Layout{}.ram(1, {.repeat = many_extents}),
                 .flags = flags | TESTEXP_CREATE_SCATTER})
        .value();
}

constexpr std::uint64_t sgt_bytes = many_extents * scatterlist_bytes;

/* --- What is counted ------------------------------------------------------ */

void counts_a_buffer() {
    const std::uint64_t before = used_pages();
    {
        const Buffer ram = scattered();

        ksft::expect_eq(used_pages() - before,
                        many_extents + pages_of_bytes(many_extents * layout_extent_bytes) +
                            pages_of_bytes(many_extents * memory_run_bytes),
                        "pages of a buffer of RAM");
    }
    {
        const std::uint64_t repeat = device().info().max_extents;
        CreateSpec holes{.layout = Layout{}.hole(1)};

        holes.layout.extents[0].repeat = repeat;
        const Buffer buffer = device().create(holes).value();

        ksft::expect_eq(used_pages() - before, pages_of_bytes(repeat * layout_extent_bytes),
                        "pages of a buffer with the largest number of holes");
    }
    ksft::expect_eq(used_pages(), before, "used_pages after");
}

/* Before Linux 6.16 a static importer of a dynamic buffer has it mapped from attach to detach. */
void counts_what_attach_maps() {
    constexpr std::uint64_t nr_importers = 8;
    const Buffer buffer = scattered(TESTEXP_CREATE_DYNAMIC);
    const std::uint64_t before = used_pages();
    std::vector<Importer> importers;

    importers.reserve(nr_importers);
    for (std::uint64_t nth = 1; nth <= nr_importers; nth++) {
        importers.push_back(device().attach(buffer.fd.get()).value());
        REQUIRE(device().stats(buffer.fd.get()).value().maps > 0, "attach does not map");
        ksft::expect_eq(used_pages() - before, nth * pages_of_bytes(sgt_bytes),
                        "pages of " + std::to_string(nth) + " importers");
    }
    importers.pop_back();
    ksft::expect_eq(used_pages() - before, (nr_importers - 1) * pages_of_bytes(sgt_bytes),
                    "pages after one importer was closed");
    importers.clear();
    ksft::expect_eq(used_pages(), before, "used_pages after");
}

void counts_what_is_cached() {
    const std::uint64_t without_buffer = used_pages();
    Result<Buffer> created =
        device().create({.layout = Layout{}.ram(1, {.repeat = many_extents}),
                         .flags = TESTEXP_CREATE_CACHE_SGT | TESTEXP_CREATE_SCATTER});

    REQUIRE(created.code() != EOPNOTSUPP, "the kernel caches no sg_table");

    Buffer buffer = std::move(created).value();
    const std::uint64_t before = used_pages();
    {
        const Importer importer = device().attach(buffer.fd.get()).value();

        ksft::expect_eq(used_pages(), before, "used_pages before it is mapped");
        (void)importer.map().value();
        ksft::expect_eq(used_pages() - before, pages_of_bytes(sgt_bytes), "pages of one mapping");
        (void)importer.map().value();
        ksft::expect_eq(used_pages() - before, pages_of_bytes(sgt_bytes),
                        "pages of the next mapping");
    }
    ksft::expect_eq(used_pages(), before, "used_pages after");
    buffer.fd.reset();
    ksft::expect_eq(used_pages(), without_buffer, "used_pages without the buffer");
}

/* The module counts one page of the kernel's page table for so many pages of a buffer. */
constexpr std::uint64_t kernel_table_entries = 512;
constexpr std::uint64_t kernel_mapped_pages = 2 * kernel_table_entries;

/* All importers of a buffer share one mapping. */
void counts_kernel_mappings() {
    const Buffer buffer = device().create({.layout = Layout{}.ram(kernel_mapped_pages)}).value();
    const std::uint64_t before = used_pages();
    std::vector<Importer> importers;

    for (int nth = 0; nth < 2; nth++) {
        importers.push_back(device().attach(buffer.fd.get()).value());
        ksft::expect_eq(importers.back().map_kernel().code(), 0, "KERNEL");
        ksft::expect_eq(used_pages() - before, kernel_mapped_pages / kernel_table_entries,
                        "pages of the mapping");
    }
    importers.pop_back();
    ksft::expect_eq(used_pages() - before, kernel_mapped_pages / kernel_table_entries,
                    "pages after one importer was closed");
    importers.clear();
    ksft::expect_eq(used_pages(), before, "used_pages after");
}

/* --- The limit ------------------------------------------------------------ */

/* The number of pages of the limit that take_most() leaves to the cases. */
constexpr std::uint64_t spare_pages = 1 << 15;

constexpr std::uint64_t block_pages = 256;

std::uint64_t free_pages() {
    return device().info().max_pages - used_pages();
}

Buffer blocks(std::uint64_t nr_blocks) {
    return device().create({.layout = Layout{}.ram(block_pages, {.repeat = nr_blocks})}).value();
}

/* Taking most of the memory of a large machine would disturb it. */
bool has_small_limit() {
    return device().info().max_pages <= std::uint64_t{4} << 18;
}

/*
 * Takes all but spare_pages of the limit, until the program ends. The exporter clears all this
 * memory, which takes long. So the program takes the memory once: each case runs in a child of the
 * program, and inherits the buffer.
 */
void take_most() {
    static std::optional<Buffer> taken;

    if (has_small_limit() && free_pages() > spare_pages + block_pages + 1)
        taken = blocks((free_pages() - spare_pages) / (block_pages + 1));
}

/* Takes all but @left pages of the limit, until it is destroyed. After require_small_limit(). */
class Eater {
public:
    explicit Eater(std::uint64_t left) {
        /* The arrays of a block take less than a page. What this leaves is taken block by block. */
        buffers_.push_back(blocks((free_pages() - left) / (block_pages + 1) - 8));
        while (free_pages() > left + 2 * block_pages)
            buffers_.push_back(blocks(1));
        /* The arrays of extents and of runs take one page each, so the RAM is two pages smaller. */
        buffers_.push_back(
            device().create({.layout = Layout{}.ram(free_pages() - left - 2)}).value());
        ksft::expect_eq(free_pages(), left, "pages left of the limit");
    }

private:
    std::vector<Buffer> buffers_;
};

void require_small_limit() {
    REQUIRE(has_small_limit(), "max_pages is more than 4 GiB: load the module with less");
}

/*
 * @body needs more than is left. Meanwhile other calls still get what they need, and afterwards
 * @body succeeds.
 */
template <typename Body> void refused_at_the_limit(std::uint64_t left, const Body& body) {
    require_small_limit();

    const std::uint64_t before = used_pages();
    const Buffer bystander = device().create({.layout = Layout{}.ram(16)}).value();
    const Importer importer = device().attach(bystander.fd.get()).value();

    (void)importer.fill({.count = 16}).value();

    const std::uint64_t with_bystander = used_pages();
    {
        const Eater eater(left);
        const std::uint64_t at_the_limit = used_pages();

        body(ENOSPC);
        ksft::expect_eq(used_pages(), at_the_limit, "used_pages when refused");
        ksft::expect_eq(importer.map().code(), 0, "MAP of another buffer");
        ksft::expect_eq(importer.audit().value().stale, 0, "stale entries of another importer");
    }
    ksft::expect_eq(used_pages(), with_bystander, "used_pages with the limit far away");
    body(0);
    ksft::expect_eq(used_pages(), with_bystander, "used_pages after success");
    ksft::expect(with_bystander > before, "the buffer is charged");
}

void attach_at_the_limit() {
    require_small_limit();

    const Buffer buffer = scattered(TESTEXP_CREATE_DYNAMIC);
    const testexp_info before = device().read_info().value();

    (void)device().attach(buffer.fd.get()).value();
    REQUIRE(device().stats(buffer.fd.get()).value().maps > 0, "attach does not map");
    refused_at_the_limit(pages_of_bytes(sgt_bytes) - 1, [&](int code) {
        ksft::expect_eq(device().attach(buffer.fd.get()).code(), code, "ATTACH");
    });

    const testexp_stats stats = device().stats(buffer.fd.get()).value();

    ksft::expect_eq(stats.maps, 2, "maps");
    ksft::expect_eq(stats.attaches, stats.detaches, "attaches, against detaches");
    ksft::expect_eq(stats.pins, stats.unpins, "pins, against unpins");
    ksft::expect_eq(stats.maps, stats.unmaps, "maps, against unmaps");
    ksft::expect_eq(device().read_info().value().nr_importers, before.nr_importers, "nr_importers");
}

void map_at_the_limit() {
    require_small_limit();

    const Buffer buffer = scattered();
    const Importer importer = device().attach(buffer.fd.get()).value();

    refused_at_the_limit(pages_of_bytes(sgt_bytes) - 1, [&](int code) {
        std::vector<testexp_map_entry> entries(many_extents);
        auto map = sized<testexp_map>();

        map.entries = user_pointer(entries.data());
        map.capacity = many_extents;
        ksft::expect_eq(errno_of_call(importer.fd(), TESTEXP_IOC_MAP, &map), code, "MAP");
        ksft::expect_eq(map.nr_entries, code == 0 ? many_extents : 0, "nr_entries");
        for (const testexp_path path : {TESTEXP_PATH_SGT_MAP, TESTEXP_PATH_SGT_CACHED})
            ksft::expect_eq(
                importer
                    .measure(
                        {.path = path, .nr_pages = many_extents, .ops_per_batch = 1, .batches = 2})
                    .code(),
                code, "MEASURE");
    });

    const testexp_stats stats = device().stats(buffer.fd.get()).value();

    ksft::expect_eq(stats.maps, stats.unmaps, "maps, against unmaps");
    ksft::expect_eq(stats.maps, 6,
                    "maps: 1 of MAP, 4 of sgt_map with its warm-up, 1 of sgt_cached, "
                    "and none that failed");
}

/* Memory that an ioctl needs only while it runs. */
void transient_at_the_limit() {
    const Buffer buffer = scattered();
    const Importer importer = device().attach(buffer.fd.get()).value();
    /* An unknown type, which the module finds only if it has room to copy the extents. */
    const std::vector<testexp_extent> extents(1U << 16, testexp_extent{
                                                            .nr_pages = 1,
                                                            .repeat = 1,
                                                            .type = TESTEXP_EXTENT_TYPES,
                                                            .align_order = 0,
                                                            .skew = 0,
                                                            .at = 0,
                                                            .cache = 0,
                                                            .attributes = 0,
                                                        });
    /* Pages that are left. Each call below needs more, or exactly as many. */
    constexpr std::uint64_t left = 16;
    const auto capacity =
        static_cast<std::uint32_t>(left * page_bytes() / sizeof(testexp_delivered));
    const auto deliver = [&](testexp_path path, std::uint32_t entries) {
        return importer.deliver({.path = path, .nr_pages = many_extents}, 1, entries).code();
    };

    refused_at_the_limit(left, [&](int code) {
        ksft::expect_eq(device().create({.layout = Layout{.extents = extents}}).code(),
                        code == 0 ? EINVAL : code, "CREATE of many extents");
        ksft::expect_eq(deliver(TESTEXP_PATH_GET_PFN, capacity), 0, "DELIVER that just fits");
        ksft::expect_eq(deliver(TESTEXP_PATH_GET_PFN, capacity + 1), code, "DELIVER");
        ksft::expect_eq(importer
                            .measure({.path = TESTEXP_PATH_PHYS_LIST,
                                      .nr_pages = many_extents,
                                      .ops_per_batch = 1,
                                      .batches = 1})
                            .code(),
                        code, "a list of all extents");
    });
}

/*
 * Calls that need two pages while one is left: KERNEL a page table and an array of pointers to all
 * pages, RESOLVE and WALK room for 512 results.
 */
void two_pages_at_the_limit() {
    const Buffer buffer = device().create({.layout = Layout{}.ram(kernel_table_entries)}).value();
    const Mapping mapping = Mapping::map(buffer.fd.get(), 1).value();

    refused_at_the_limit(1, [&](int code) {
        const Importer importer = device().attach(buffer.fd.get()).value();

        for (const Form& form : forms)
            ksft::expect_eq(importer.resolve(0, 1, 1, form.flags).code(), code,
                            std::string("RESOLVE, ") + form.name);
        if (device().has(TESTEXP_FEAT_WALK))
            ksft::expect_eq(device().walk(mapping.bytes().data(), 1).code(), code, "WALK");
        ksft::expect_eq(importer.map_kernel().code(), code, "KERNEL");
    });
}

/* A FILL that has its table needs no more memory. */
void fill_at_the_limit() {
    const Buffer buffer =
        device().create({.layout = Layout{}.hole(TESTEXP_TABLE_PAGES - 4).ram(4)}).value();
    const FillSpec fill{.count = 4, .pgoff = TESTEXP_TABLE_PAGES - 4};

    require_small_limit();

    const std::uint64_t before = used_pages();
    const std::uint64_t table = pages_of_bytes(TESTEXP_TABLE_PAGES * sizeof(std::uint64_t));
    {
        const Importer first = device().attach(buffer.fd.get()).value();
        const Importer second = device().attach(buffer.fd.get()).value();
        const Eater eater(2 * table - 1);

        ksft::expect_eq(first.fill(fill).code(), 0, "the FILL that makes the table");
        ksft::expect_eq(first.fill(fill).code(), 0, "the next FILL");
        ksft::expect_eq(second.fill(fill).code(), ENOSPC, "the FILL of another importer");
        ksft::expect_eq(first.audit().value().entries, 4, "entries");
        ksft::expect_eq(second.audit().value().entries, 0, "entries of the other importer");
    }
    ksft::expect_eq(used_pages(), before, "used_pages after");
}

/* Two threads make their first FILL at once: one of them makes the table for both. */
void first_fills_at_once() {
    require_small_limit();

    const Buffer buffer =
        device().create({.layout = Layout{}.hole(TESTEXP_TABLE_PAGES - 1).ram(1)}).value();
    const FillSpec fill{.count = 1, .pgoff = TESTEXP_TABLE_PAGES - 1};
    const Eater eater(pages_of_bytes(TESTEXP_TABLE_PAGES * sizeof(std::uint64_t)));

    for (int round = 0; round < (quick() ? 100 : 500); round++) {
        const Importer importer = device().attach(buffer.fd.get()).value();
        std::atomic<int> ready{0};
        const auto meet_and_fill = [&] {
            ready++;
            while (ready < 2)
                sched_yield();
            return importer.fill(fill).code();
        };
        std::future<int> other = in_thread(meet_and_fill);
        const int code = meet_and_fill();

        ksft::expect_eq(code, 0, "one of two first FILLs");
        ksft::expect_eq(other.get(), 0, "the other");
    }
}

/* --- Beside a request that is refused ------------------------------------- */

/* The shortest call that charges memory: apart from its array it does nothing. */
int charge_room(const Importer& importer, std::uint32_t capacity) {
    auto request = sized<testexp_deliver>();

    request.path = TESTEXP_PATH_EMPTY;
    request.nr_pages = 1;
    request.ops = 1;
    request.capacity = capacity;
    return errno_of_call(importer.fd(), TESTEXP_IOC_DELIVER, &request);
}

/* unit/charge_test.cpp meets every interleaving; this test sees that the module uses that code. */
void refused_beside_small_ones() {
    require_small_limit();

    const Buffer buffer = device().create({.layout = Layout{}.ram(1)}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();
    const Eater eater(pages_of_bytes(TESTEXP_MAX_DELIVERED * sizeof(testexp_delivered)) - 1);
    const std::uint64_t rounds = is_debug_kernel() ? 20000 : quick() ? 400000 : 1000000;
    std::atomic<bool> over{false};
    std::atomic<std::uint64_t> refused{0};
    std::future<std::uint64_t> large = in_thread([&] {
        std::uint64_t others = 0;

        for (; !over; refused++)
            others += charge_room(importer, TESTEXP_MAX_DELIVERED) == ENOSPC ? 0 : 1;
        return others;
    });
    std::uint64_t failed = 0;

    for (std::uint64_t i = 0; (i < rounds || refused < 1000) && failed == 0; i++)
        failed += charge_room(importer, 1) == 0 ? 0 : 1;
    over = true;
    ksft::note(std::to_string(refused) + " large requests");
    ksft::expect_eq(large.get(), 0, "large requests that were not refused");
    ksft::expect_eq(failed, 0, "small requests that failed");
}

void make_plan(ksft::Plan& plan) {
    take_most();
    plan.add("memory.charged[what=buffer]", counts_a_buffer);
    plan.add("memory.charged[what=attach]", counts_what_attach_maps);
    plan.add("memory.charged[what=cached_mapping]", counts_what_is_cached);
    plan.add("memory.charged[what=kernel_mapping]", counts_kernel_mappings);
    plan.add("memory.limit[by=attach]", attach_at_the_limit);
    plan.add("memory.limit[by=map]", map_at_the_limit);
    plan.add("memory.limit[by=two_pages]", two_pages_at_the_limit);
    plan.add("memory.limit[by=transient]", transient_at_the_limit);
    plan.add("memory.limit[by=fill]", fill_at_the_limit);
    plan.add("memory.limit[by=two_fills]", first_fills_at_once);
    plan.add("memory.refused_beside_small_ones", refused_beside_small_ones);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
