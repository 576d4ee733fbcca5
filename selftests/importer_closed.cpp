// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: a buffer that iommufd has mapped leaves no pin, attachment or memory behind, in whatever
 * order its descriptors are closed, with a DMA under way, and when its process is killed in the
 * middle of a map, a revoke or a DMA (P8, P24).
 *
 * Method: a child process makes everything. It closes the descriptors in one order, and compares
 * the page table of the IOMMU after each close. Or it is killed after a random pause; the seed is
 * printed. Every second process that is killed uses an address space of the process that kills it.
 * So the page table is still there, and has the whole buffer or nothing. In the end the counters of
 * the exporter and the list of dma-bufs must be as before.
 *
 * Does not see: where in the call the killed process was, so each is killed several times.
 */
#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>

#include <unistd.h>

#include "bufinfo.hpp"
#include "child.hpp"
#include "dma_device.hpp"
#include "ivshmem.hpp"
#include "lifetime.hpp"
#include "module.hpp"
#include "shared_progress.hpp"

using namespace testexp;

namespace {

constexpr std::uint64_t nr_pages = 200;
constexpr std::uint64_t base = DmaDevice::tested.first;

std::uint64_t nr_bytes() {
    return nr_pages * page_bytes();
}

CreateSpec scattered(std::uint32_t flags) {
    return {.layout = Layout{}.ram(1, {.repeat = nr_pages}),
            .flags = flags | TESTEXP_CREATE_SCATTER};
}

MapRequest whole(int fd) {
    return {.file = fd, .length_bytes = nr_bytes(), .iova = base};
}

/* --- What must be as before ------------------------------------------------- */

using Counts = std::map<std::string, std::uint64_t>;

/* The dma-bufs of the exporters that this program uses. Other programs may have others. */
std::uint64_t nr_dma_bufs() {
    std::uint64_t number = 0;
    bool is_whole = false; /* the last line has the number of all */

    for (const std::string& line : bufinfo_lines()) {
        is_whole =
            is_whole || (line.starts_with("Total ") && line.find(" objects") != std::string::npos);
        if (const auto buffer = listed_buffer(line))
            number +=
                buffer->exporter == TESTEXP_DEVICE_NAME || buffer->exporter.starts_with("vfio");
    }
    if (!is_whole)
        ksft::fail("bufinfo does not say how many dma-bufs there are");
    return number;
}

Counts count_all() {
    const testexp_info info = device().read_info().value();

    return {{"nr_buffers", info.nr_buffers},
            {"nr_importers", info.nr_importers},
            {"used_pages", info.used_pages},
            {"poison_violations", info.poison_violations},
            {"references to the module", module_references()},
            {"dma-bufs", nr_dma_bufs()}};
}

/* What importers hold of a buffer of the test exporter. */
Counts held_of(int fd) {
    const testexp_stats stats = device().stats(fd).value();

    return {{"pins held", stats.pins - stats.unpins},
            {"attachments", stats.attaches - stats.detaches},
            {"lock violations", stats.lock_violations}};
}

/* The kernel may release a file a little later than close() or the end of its process. */
void expect_back(const std::function<Counts()>& count, const Counts& before,
                 const std::string& when) {
    constexpr int most_looks = 5000;

    for (int look = 0; look < most_looks && count() != before; look++)
        std::this_thread::sleep_for(limits::look_again);
    for (const auto& [name, value] : count())
        ksft::expect_eq(value, before.at(name), name + " after " + when);
}

/* --- A process that uses edu ------------------------------------------------ */

/* Opens edu and makes an address space for it, in a process that may end at any time. */
struct Importing {
    explicit Importing(const std::string& name)
        : vfio(VfioDevice::open(name).value()), space(AddressSpace::make(vfio.iommufd()).value()),
          attached(Attached::attach(vfio.fd(), space.id()).value()) {
        wait(); /* for the DMA of the process before */
    }

    void wait() const { Edu::make(vfio).value().wait().value(); }

    VfioDevice vfio;
    AddressSpace space;
    Attached attached;
};

/* A DMA that is under way. The device's registers are mapped no longer when the function returns.
 */
void start_dma(const Importing& importing, std::uint64_t iova, bool writes) {
    Edu edu = Edu::make(importing.vfio).value();

    (writes ? edu.start_write(iova, Edu::most_bytes) : edu.start_read(iova, Edu::most_bytes))
        .value();
}

/* Ends an announcement, once no DMA is under way. */
void end(ExpectedFaults& faults, const std::string& name) {
    const Importing importing(name);
    Edu edu = Edu::make(importing.vfio).value();

    faults.end(DmaDevice::never_mapped,
               [&] { edu.write(DmaDevice::never_mapped, sizeof(std::uint64_t)).value(); });
}

/* --- Closed in each order --------------------------------------------------- */

enum Index : std::size_t { at_iommufd, at_edu, at_buffer, at_exporter };
constexpr const char* names[] = {"iommufd", "device", "buffer", "exporter"};
using Descriptors = std::array<int, 4>;
using Order = std::array<std::size_t, 4>;

std::string describe(const Order& order) {
    std::string text;

    for (const std::size_t index : order)
        text += (text.empty() ? "" : ", ") + std::string(names[index]);
    return text;
}

/* Throws, because this runs in a child process, and the case does not count failures there. */
void demand_mapped(const std::string& edu, std::uint64_t bytes, const std::string& when) {
    const std::uint64_t mapped = mapped_bytes(edu);

    if (mapped != bytes)
        throw std::runtime_error(std::to_string(mapped) + " bytes are mapped " + when +
                                 ", must be " + std::to_string(bytes));
}

/*
 * Closes all descriptors, with a DMA under way. Ends the process without a destructor. VFIO revokes
 * a buffer for good with the close of the device that exports. Nothing else ends the mapping as
 * long as the device edu is open. Edu's page table goes with the device.
 */
[[noreturn]] void close_all(const Importing& importing, const Descriptors& fds, const Order& order,
                            bool close_revokes) {
    const std::string& edu = importing.vfio.name();
    std::uint64_t bytes = nr_bytes();
    bool has_table = true;

    (void)importing.space.map(whole(fds[at_buffer])).value();
    demand_mapped(edu, bytes, "before a close");
    start_dma(importing, base, order[0] % 2 == 0);
    for (const std::size_t index : order) {
        close(fds[index]);
        has_table = has_table && index != at_edu;
        if (index == at_exporter && close_revokes)
            bytes = 0;
        if (has_table)
            demand_mapped(edu, bytes, "after the close of " + std::string(names[index]));
    }
    _exit(0);
}

[[noreturn]] void close_testexp(const std::string& edu, const Order& order) {
    const Importing importing(edu);
    const Device control = Device::open().value();
    const Buffer buffer = control.create(scattered(TESTEXP_CREATE_REVOCABLE)).value();

    close_all(importing,
              {importing.vfio.iommufd(), importing.vfio.fd(), buffer.fd.get(), control.fd()}, order,
              false);
}

[[noreturn]] void close_vfio(const std::string& edu, const std::string& exporter,
                             const Order& order) {
    const Importing importing(edu);
    const VfioDevice owner = VfioDevice::open_beside(importing.vfio, exporter).value();
    const VfioRange ranges[] = {{nr_bytes() / 2, nr_bytes() / 2}, {0, nr_bytes() / 2}};
    const Fd buffer = owner.export_dma_buf(ivshmem_bar, ranges).value();

    close_all(importing, {importing.vfio.iommufd(), importing.vfio.fd(), buffer.get(), owner.fd()},
              order, true);
}

/* @close_in: makes everything and closes everything in a child. */
void closed_in_each_order(const std::string& edu,
                          const std::function<void(const Order& order)>& close_in) {
    const Counts before = count_all();
    ExpectedFaults faults(edu, DmaDevice::tested);
    Order order{0, 1, 2, 3};
    unsigned int number = 0;

    do {
        if (quick() && number++ % 5 != 0)
            continue;

        Child child([&] {
            close_in(order);
            return 1;
        });

        ksft::expect_eq(exit_status_of(child.wait()), 0, "exit status, " + describe(order));
        expect_back(count_all, before, "the close of " + describe(order));
    } while (std::ranges::next_permutation(order).found);
    end(faults, edu);
}

void testexp_closed() {
    require_pfn_importer();
    mount_debugfs();

    const VfioBinding edu(edu_id);

    closed_in_each_order(edu.device(),
                         [&](const Order& order) { close_testexp(edu.device(), order); });
}

void vfio_closed() {
    require_pfn_importer();
    mount_debugfs();

    const VfioBinding edu(edu_id);
    const VfioBinding exporter(ivshmem_id);

    closed_in_each_order(edu.device(), [&](const Order& order) {
        close_vfio(edu.device(), exporter.device(), order);
    });
}

/* --- Killed ----------------------------------------------------------------- */

struct Scene {
    std::string edu;
    int fd; /* of the buffer, which the killer owns */
    Progress& progress;
    const Importing* kept; /* of the killer; nothing where the victim opens its own */

    const Importing& importing(std::optional<Importing>& own) const {
        return kept ? *kept : own.emplace(edu);
    }
};

/* Each of these functions works until its process is killed. */

/* An address space without a domain: pins and makes the list of runs. */
void map_alone(const Scene& scene) {
    const Fd iommufd = open_iommufd().value();
    const AddressSpace space = AddressSpace::make(iommufd.get()).value();

    for (;; scene.progress.rounds++) {
        (void)space.map(whole(scene.fd)).value();
        (void)space.unmap(base, nr_bytes()).value();
    }
}

void map_for_edu(const Scene& scene) {
    std::optional<Importing> own;
    const Importing& importing = scene.importing(own);

    for (;; scene.progress.rounds++) {
        (void)importing.space.map(whole(scene.fd)).value();
        (void)importing.space.unmap(base, nr_bytes()).value();
    }
}

void revoke_for_edu(const Scene& scene) {
    std::optional<Importing> own;
    const Importing& importing = scene.importing(own);

    for (;; scene.progress.rounds++) {
        (void)importing.space.map(whole(scene.fd)).value();
        start_dma(importing, base, scene.progress.rounds % 2 == 0);
        device().revoke(scene.fd).value();
        device().restore(scene.fd).value();
        (void)importing.space.unmap(base, nr_bytes()).value();
    }
}

void dma_of_edu(const Scene& scene) {
    std::optional<Importing> own;
    const Importing& importing = scene.importing(own);
    Edu edu = Edu::make(importing.vfio).value();

    (void)importing.space.map(whole(scene.fd)).value();
    for (;; scene.progress.rounds++) {
        (void)edu
            .start_write(base + scene.progress.rounds % nr_pages * page_bytes(), Edu::most_bytes)
            .value();
        if (scene.progress.rounds % 4 == 3) /* else the kill comes while the DMA is under way */
            (void)edu.wait().value();
    }
}

struct Victim {
    const char* name;
    void (*run)(const Scene& scene);
    bool has_device;
    int kills;
    int quick_kills;
};

constexpr Victim victims[] = {
    {"map,domain=none", map_alone, false, 700, 15},
    {"map,domain=edu", map_for_edu, true, 100, 3},
    {"revoke,domain=edu", revoke_for_edu, true, 100, 3},
    {"dma,domain=edu", dma_of_edu, true, 100, 3},
};

void kill_once(const Victim& victim, const Scene& scene, std::uint64_t pause_us) {
    Child child([&] {
        victim.run(scene);
        return 1;
    });

    while (scene.progress.rounds == 0 && !child.has_ended())
        std::this_thread::sleep_for(limits::look_again);
    usleep(static_cast<useconds_t>(pause_us));
    child.kill();
    ksft::expect_eq(signal_of(child.wait()), SIGKILL, "the signal that ended the process");
}

/* The victim has left a whole mapping or none, and a revoke and an unmap end what is left. */
void expect_whole_or_nothing(const Importing& importing, int fd) {
    const std::string& edu = importing.vfio.name();

    importing.wait();

    const std::uint64_t left = mapped_bytes(edu);

    ksft::expect(left == 0 || left == nr_bytes(),
                 "all pages or none are mapped after a kill, not " + std::to_string(left) +
                     " bytes");
    device().revoke(fd).value();
    ksft::expect_eq(mapped_bytes(edu), 0, "bytes that are mapped after a kill and a revoke");
    device().restore(fd).value();
    (void)importing.space.unmap_all().value();
    (void)importing.space.map(whole(fd)).value();
    ksft::expect_eq(mapped_bytes(edu), nr_bytes(), "bytes of a new mapping");
    (void)importing.space.unmap_all().value();
    ksft::expect_eq(mapped_bytes(edu), 0, "bytes that are mapped after a kill and an unmap");
}

void killed(const Victim& victim) {
    require_pfn_importer();
    mount_debugfs();

    const Buffer buffer = device().create(scattered(TESTEXP_CREATE_DYNAMIC)).value();
    const int fd = buffer.fd.get();
    const Counts before = count_all();
    const Counts held = held_of(fd);
    std::optional<VfioBinding> edu;
    std::optional<ExpectedFaults> faults;
    std::mt19937_64 random(seed());

    ksft::note("seed " + std::to_string(seed()));
    if (victim.has_device) {
        edu.emplace(edu_id);
        faults.emplace(edu->device(), DmaDevice::tested);
    }
    Progress& progress = shared_progress();

    for (int round = 0; round < (quick() ? victim.quick_kills : victim.kills); round++) {
        std::optional<Importing> kept;

        if (edu && round % 2 == 0)
            kept.emplace(edu->device());
        progress.rounds = 0;
        kill_once(victim, {edu ? edu->device() : "", fd, progress, kept ? &*kept : nullptr},
                  random() % 5000);
        if (kept)
            expect_whole_or_nothing(*kept, fd);
        kept.reset();
        expect_back([fd] { return held_of(fd); }, held, "a kill");
        expect_back(count_all, before, "a kill");
        device().restore(fd).value(); /* the process may have revoked the buffer */
    }
    if (faults)
        end(*faults, edu->device());
    device().move(fd, Layout{}.ram(1, {.repeat = nr_pages}), TESTEXP_MOVE_SCATTER).value();
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    (void)has_pfn_importer(); /* this also loads the drivers, once for all cases */
    plan.add("P24.closed_in_each_order[exporter=testexp]", testexp_closed);
    plan.add("P24.closed_in_each_order[exporter=vfio]", vfio_closed);
    for (const Victim& victim : victims)
        plan.add(std::string("P24.killed[in=") + victim.name + "]", [&] { killed(victim); });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
