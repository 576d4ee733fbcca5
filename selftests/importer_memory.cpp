// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: what IOMMUFD keeps of a dma-buf is a list of runs of PFNs. Its size follows the number of
 * runs, not the number of blocks or pages, and all memory of the list comes back: after an unmap,
 * after a refused map, and after a revoke (P2, P23).
 *
 * Method: the kernel counts what kmalloc() and vmalloc() hold in /proc/meminfo. A buffer whose PFNs
 * follow each other, but whose blocks are single pages, shows the size of the list. For what comes
 * back, each call is repeated until a list that stays would be far above the noise.
 *
 * Does not see: less than 1.5 MiB; whether the list is charged to a memory cgroup; who holds the
 * memory. So where other work takes memory, the attempts may all fail; where other work gives much
 * memory back, a leak may be missed.
 */
#include <fstream>
#include <functional>
#include <string>

#include "fixture.hpp"
#include "iommufd_importer.hpp"
#include "limits.hpp"
#include "value_or_skip.hpp"

using namespace testexp;

namespace {

constexpr std::uint64_t base = std::uint64_t{1} << 36;
constexpr std::uint64_t bytes_of_a_run = 24;
/* More than the rest of the kernel takes or gives back meanwhile, without other work. */
constexpr std::uint64_t noise_bytes = std::uint64_t{3} << 19;

/* An address space that no device uses: it has the list and no page table. */
struct Importing : RequiredImporter {
    Fd iommufd = value_or_skip(open_iommufd());
    AddressSpace space = AddressSpace::make(iommufd.get()).value();
};

/* What kmalloc() and vmalloc() hold. */
std::uint64_t kernel_bytes() {
    std::ifstream file("/proc/meminfo");
    std::string name, unit;
    std::uint64_t kib = 0;
    std::uint64_t sum = 0;

    while (file >> name >> kib && std::getline(file, unit))
        if (name == "SUnreclaim:" || name == "VmallocUsed:")
            sum += kib;
    ksft::expect(sum > 0, "/proc/meminfo tells the memory of the kernel");
    return sum * 1024;
}

/*
 * Whether @work takes less memory than the noise. @undo: what follows @work. On a busy machine
 * other work may take memory meanwhile, so @work has several attempts. A list that is too long or
 * that stays takes twice as much as the noise in each attempt.
 */
bool takes_little(
    const std::function<void()>& work, const std::function<void()>& undo = [] {}) {
    bool takes_little = false;

    for (int attempt = 0; attempt < limits::attempts && !takes_little; attempt++) {
        const std::uint64_t before = kernel_bytes();

        work();
        takes_little = kernel_bytes() < before + noise_bytes;
        undo();
    }
    return takes_little;
}

MapRequest whole(const Buffer& buffer) {
    return {.file = buffer.fd.get(), .length_bytes = buffer.nr_pages * page_bytes(), .iova = base};
}

/*
 * A page, and then many pages in a row. The PFN of each of these is even where the offset is odd,
 * so no block is larger than a page.
 */
void list_is_short() {
    constexpr std::uint64_t nr_pages = std::uint64_t{1} << 17;
    constexpr std::uint64_t first_pfn = std::uint64_t{5} << 18;
    const Importing importing;
    const Buffer buffer =
        device()
            .create({.layout = Layout{}.synthetic(2 * first_pfn, 1).synthetic(first_pfn, nr_pages)})
            .value();

    static_assert(nr_pages * bytes_of_a_run >= 2 * noise_bytes);
    ksft::expect(takes_little([&] { (void)importing.space.map(whole(buffer)).value(); },
                              [&] {
                                  ksft::expect_eq(importing.space.unmap_all().value(),
                                                  buffer.nr_pages * page_bytes(), "bytes unmapped");
                              }),
                 "two runs of PFNs take little memory");
}

constexpr std::uint64_t nr_runs = 16000;

Buffer make_runs(Layout layout) {
    return device()
        .create({.layout = std::move(layout),
                 .flags = TESTEXP_CREATE_SCATTER | TESTEXP_CREATE_REVOCABLE})
        .value();
}

/* The lists of all turns together would take at least twice as much as the noise. */
void memory_returns(const std::function<void()>& turn) {
    constexpr std::uint64_t least_turns = 9;
    const std::uint64_t nr_turns = (quick() ? 1 : 2) * least_turns;

    static_assert(least_turns * nr_runs * bytes_of_a_run >= 2 * noise_bytes);
    turn(); /* what the first turn alone takes */
    ksft::expect(takes_little([&] {
                     for (std::uint64_t number = 0; number < nr_turns; number++)
                         turn();
                 }),
                 "the memory of the lists comes back");
}

void returns_after_unmap() {
    const Importing importing;
    const Buffer buffer = make_runs(Layout{}.ram(1, {.repeat = nr_runs}));

    memory_returns([&] {
        (void)importing.space.map(whole(buffer)).value();
        (void)importing.space.unmap_all().value();
    });
}

/* The last page has no PFN, so the list is nearly complete. */
void returns_after_refused_map() {
    const Importing importing;
    const Buffer buffer = make_runs(Layout{}.ram(1, {.repeat = nr_runs}).hole(1));

    memory_returns(
        [&] { ksft::expect_eq(importing.space.map(whole(buffer)).code(), ENXIO, "map"); });
}

void returns_after_revoke() {
    const Importing importing;
    const Buffer buffer = make_runs(Layout{}.ram(1, {.repeat = nr_runs}));

    memory_returns([&] {
        (void)importing.space.map(whole(buffer)).value();
        device().revoke(buffer.fd.get()).value();
        (void)importing.space.unmap_all().value();
        device().restore(buffer.fd.get()).value();
    });
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    (void)has_pfn_importer(); /* this also loads the drivers, once for all cases */
    plan.add("P23.list_is_short", list_is_short);
    plan.add("P23.list_returns[after=unmap]", returns_after_unmap);
    plan.add("P23.list_returns[after=refused_map]", returns_after_refused_map);
    plan.add("P23.list_returns[after=revoke]", returns_after_revoke);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
