// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: a process that is killed in the middle of a call ends, however much work the call had
 * left, and leaves nothing: no buffer, importer, pin, mapping, page or reference to the module,
 * which could be unloaded at once.
 *
 * Method: a child makes a call that does not end by itself, or calls without end. The module's own
 * counters show that the call is under way; then comes SIGKILL.
 *
 * Does not see: where in the call the process was, so each is killed several times.
 */
#include <map>
#include <span>
#include <thread>

#include <csignal>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "call.hpp"
#include "child.hpp"
#include "fixture.hpp"
#include "lifetime.hpp"
#include "limits.hpp"
#include "module.hpp"
#include "shared_progress.hpp"

using namespace testexp;

namespace {

/* What both processes see. The killer owns the buffer and reads its counters. */
struct Scene {
    const Buffer& buffer;
    Progress& progress;
    testexp_info before;
};

struct Victim {
    const char* name;
    std::uint32_t create_flags;
    /* Never returns. Throws if the call fails. */
    void (*run)(const Scene& scene);
    /* Whether the victim is in the call that the test is about. */
    bool (*under_way)(const Scene& scene, std::uint64_t round);
};

/* The layout of the killer's buffer. */
Layout layout() {
    return Layout{}.ram(1, {.repeat = 200});
}

testexp_stats stats_of(const Scene& scene) {
    return device().stats(scene.buffer.fd.get()).value();
}

/* --- CREATE: half of what may be had, page by page ------------------------ */

void create_large(const Scene& /*scene*/) {
    const testexp_info& info = device().info();
    const std::uint64_t pages = std::min<std::uint64_t>(info.max_pages / 2, info.max_extents);

    while (true)
        (void)device()
            .create({.layout = Layout{}.ram(1, {.repeat = pages}), .flags = TESTEXP_CREATE_SCATTER})
            .value();
}

/* CREATE charges the memory at its beginning and counts the buffer at its end. */
bool in_create(const Scene& scene, std::uint64_t /*round*/) {
    const testexp_info now = device().read_info().value();

    return now.used_pages > scene.before.used_pages + 1000 &&
           now.nr_buffers == scene.before.nr_buffers;
}

/* --- RESOLVE: more results than there is memory for ----------------------- */

/* The same 64 MiB mapped again and again: a thousand million results, minutes of work. */
template <typename Entry> std::span<Entry> endless_results() {
    constexpr std::size_t piece = 64 << 20;
    constexpr std::size_t pieces = 250;
    const Fd memory(memfd_create("results", MFD_CLOEXEC));
    void* start = mmap(nullptr, piece * pieces, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (!memory || ftruncate(memory.get(), piece) < 0 || start == MAP_FAILED)
        throw std::runtime_error(errno_error("room for results").what);
    for (std::size_t i = 0; i < pieces; i++)
        if (mmap(static_cast<char*>(start) + i * piece, piece, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_FIXED, memory.get(), 0) == MAP_FAILED)
            throw std::runtime_error(errno_error("room for results").what);
    return {static_cast<Entry*>(start), piece * pieces / sizeof(Entry)};
}

template <std::uint32_t flags> void resolve_all(const Scene& scene) {
    const Importer importer = device().attach(scene.buffer.fd.get()).value();
    const std::span results = endless_results<testexp_result>();
    auto request = sized<testexp_resolve>();

    request.flags = flags;
    request.stride = 1;
    request.count = results.size();
    request.results = user_pointer(results.data());
    if (ioctl(importer.fd(), TESTEXP_IOC_RESOLVE, &request) < 0)
        throw std::runtime_error(errno_error("RESOLVE").what);
    throw std::runtime_error("RESOLVE came to its end");
}

bool in_get_pfn(const Scene& scene, std::uint64_t round) {
    return stats_of(scene).get_pfns > round * 100;
}

/* --- MEASURE: as many batches as a number can say ------------------------- */

template <testexp_path path> void measure_all(const Scene& scene) {
    const Importer importer = device().attach(scene.buffer.fd.get()).value();

    (void)importer.measure({.path = path, .batches = ~std::uint64_t{0}}).value();
    throw std::runtime_error("MEASURE came to its end");
}

bool in_map(const Scene& scene, std::uint64_t round) {
    return stats_of(scene).maps > round;
}

/* --- Calls that no counter of the exporter's tells of --------------------- */

/*
 * From here into the endless call it takes next to no time; each round waits longer. If that is too
 * short, the victim is killed before the call, which proves nothing.
 */
bool in_endless_call(const Scene& scene, std::uint64_t round) {
    if (scene.progress.rounds == 0)
        return false;
    std::this_thread::sleep_for((round + 1) * limits::look_again);
    return true;
}

/* From the first page of the address space on. Nearly all of the pages are missing. */
void walk_all(const Scene& scene) {
    const std::span results = endless_results<testexp_walked>();
    auto request = sized<testexp_walk>();

    request.flags = TESTEXP_WALK_FAULT_IN;
    request.count = results.size();
    request.results = user_pointer(results.data());
    scene.progress.rounds++;
    if (ioctl(device().fd(), TESTEXP_IOC_WALK, &request) < 0)
        throw std::runtime_error(errno_error("WALK").what);
    throw std::runtime_error("WALK came to its end");
}

template <testexp_path path> void measure_mapped(const Scene& scene) {
    const Importer importer = device().attach(scene.buffer.fd.get()).value();
    const Mapping mapping = Mapping::map(scene.buffer.fd.get(), scene.buffer.nr_pages).value();

    scene.progress.rounds++;
    (void)importer
        .measure({.path = path,
                  .nr_pages = scene.buffer.nr_pages,
                  .batches = ~std::uint64_t{0},
                  .address = address_for(path_row(path), mapping)})
        .value();
    throw std::runtime_error("MEASURE came to its end");
}

/* --- Short calls, over and over ------------------------------------------- */

void map_for_ever(const Scene& scene) {
    const Importer importer = device().attach(scene.buffer.fd.get()).value();

    while (true)
        (void)importer.map().value();
}

template <testexp_fill_mode mode> void fill_for_ever(const Scene& scene) {
    const Importer importer =
        device().attach(scene.buffer.fd.get(), TESTEXP_ATTACH_DYNAMIC).value();

    while (true)
        (void)importer.fill({.mode = mode, .count = scene.buffer.nr_pages}).value();
}

/* With an importer that must be notified. */
void move_for_ever(const Scene& scene) {
    const Importer importer =
        device().attach(scene.buffer.fd.get(), TESTEXP_ATTACH_DYNAMIC).value();

    while (true) {
        (void)importer.fill({.count = scene.buffer.nr_pages}); /* refused without MOVE_NOTIFY */
        (void)device().move(scene.buffer.fd.get(), layout()).value();
    }
}

bool in_move(const Scene& scene, std::uint64_t round) {
    return stats_of(scene).moves > round + 2;
}

void live_for_ever(const Scene& scene) {
    for (;; scene.progress.rounds++) {
        const Buffer buffer =
            device().create({.layout = Layout{}.ram(50), .flags = TESTEXP_CREATE_DYNAMIC}).value();
        const Importer importer = device().attach(buffer.fd.get()).value();
        const Importer follower = device().attach(buffer.fd.get(), TESTEXP_ATTACH_DYNAMIC).value();
        const Mapping mapping = Mapping::map(buffer.fd.get(), 50).value();

        mapping.bytes()[0] = std::byte{1};
        (void)importer.resolve(0, 50).value();
        (void)importer.map().value();
        (void)device().revoke(buffer.fd.get()).value();
    }
}

bool living(const Scene& scene, std::uint64_t round) {
    return scene.progress.rounds > round % 5;
}

/* Notes the pages one by one, in memory that is freed with the call. */
void deliver_for_ever(const Scene& scene) {
    const Importer importer = device().attach(scene.buffer.fd.get()).value();

    for (;; scene.progress.rounds++)
        for (const testexp_path path : {TESTEXP_PATH_SGT_MAP, TESTEXP_PATH_PHYS_LIST})
            (void)importer.deliver({.path = path, .nr_pages = scene.buffer.nr_pages}, 10).value();
}

constexpr Victim victims[] = {
    {"CREATE", 0, create_large, in_create},
    {"RESOLVE,form=unlocked", 0, resolve_all<0>, in_get_pfn},
    {"RESOLVE,form=locked", 0, resolve_all<TESTEXP_RESOLVE_LOCKED>, in_get_pfn},
    {"MEASURE,path=get_pfn", 0, measure_all<TESTEXP_PATH_GET_PFN>, in_get_pfn},
    {"MEASURE,path=get_pfn_batch", 0, measure_all<TESTEXP_PATH_GET_PFN_BATCH>, in_get_pfn},
    {"MEASURE,path=sgt_map", 0, measure_all<TESTEXP_PATH_SGT_MAP>, in_map},
    {"MEASURE,path=phys_list", TESTEXP_CREATE_SCATTER, measure_mapped<TESTEXP_PATH_PHYS_LIST>,
     in_endless_call},
    {"MEASURE,path=sgt_cached", TESTEXP_CREATE_SCATTER, measure_mapped<TESTEXP_PATH_SGT_CACHED>,
     in_endless_call},
    {"MEASURE,path=follow_pfnmap_cold", 0, measure_mapped<TESTEXP_PATH_FOLLOW_PFNMAP_COLD>,
     in_endless_call},
    {"WALK", 0, walk_all, in_endless_call},
    {"DELIVER", TESTEXP_CREATE_SCATTER, deliver_for_ever, living},
    {"MAP", TESTEXP_CREATE_SCATTER, map_for_ever, in_map},
    {"FILL,mode=locked", 0, fill_for_ever<TESTEXP_FILL_LOCKED>, in_get_pfn},
    {"FILL,mode=seq_retry", 0, fill_for_ever<TESTEXP_FILL_SEQ_RETRY>, in_get_pfn},
    {"MOVE", TESTEXP_CREATE_DYNAMIC, move_for_ever, in_move},
    {"life", TESTEXP_CREATE_DYNAMIC, live_for_ever, living},
};

/* --- The killer ----------------------------------------------------------- */

using Counts = std::map<std::string, std::uint64_t>;

Counts count_all(const Buffer& buffer) {
    const testexp_info info = device().read_info().value();
    const testexp_stats stats = device().stats(buffer.fd.get()).value();

    Counts counts{{"nr_buffers", info.nr_buffers},
                  {"nr_importers", info.nr_importers},
                  {"used_pages", info.used_pages},
                  {"references to the module", module_references()},
                  {"pins held", stats.pins - stats.unpins},
                  {"mappings held", stats.maps - stats.unmaps},
                  {"attachments", stats.attaches - stats.detaches}};

    /* Before Linux 6.2, map of a static buffer runs without the lock. */
    if (device().has(TESTEXP_FEAT_MAP_LOCKED))
        counts["lock violations"] = stats.lock_violations;
    return counts;
}

/* Also returns when the victim has ended; the status of the victim shows that. */
bool wait_until_under_way(const Victim& victim, const Scene& scene, std::uint64_t round,
                          const Child& child) {
    while (!victim.under_way(scene, round))
        if (child.has_ended())
            return false;
    return true;
}

void kill_once(const Victim& victim, const Scene& scene, std::uint64_t round) {
    Child child([&] {
        victim.run(scene);
        return 1;
    });

    ksft::expect(wait_until_under_way(victim, scene, round, child), "the call got under way");
    child.kill();
    ksft::expect_eq(signal_of(child.wait()), SIGKILL, "the signal that ended the process");
}

/* A call that needs a function that older kernels lack. */
bool walks(const Victim& victim) {
    return victim.run == walk_all || victim.run == measure_mapped<TESTEXP_PATH_FOLLOW_PFNMAP_COLD>;
}

void killed(const Victim& victim) {
    if (walks(victim))
        REQUIRE(device().has(TESTEXP_FEAT_WALK), "the kernel has no follow_pfnmap_start()");

    const Buffer buffer =
        device().create({.layout = layout(), .flags = victim.create_flags}).value();

    /* From the first move on, the buffer is also charged for the pages that it left. */
    if (victim.create_flags & TESTEXP_CREATE_DYNAMIC)
        (void)device().move(buffer.fd.get(), layout()).value();

    const Counts before = count_all(buffer);

    for (std::uint64_t round = 0; round < (quick() ? 3 : 20); round++) {
        const Scene scene{buffer, shared_progress(), device().read_info().value()};

        kill_once(victim, scene, round);
        for (const auto& [name, value] : count_all(buffer))
            ksft::expect_eq(value, before.at(name), name);
    }
}

/* The same pages again and again: a long buffer that needs little memory. */
Layout long_layout() {
    constexpr std::uint64_t piece = 512;
    const std::uint64_t pieces = std::min<std::uint64_t>(device().info().max_pages / piece, 256);
    Layout layout = Layout{}.ram(piece);

    for (std::uint64_t i = 1; i < pieces; i++)
        layout.alias(0, piece);
    return layout;
}

/* Whether MAP with KERNEL has mapped the buffer and freed its list of pages: it compares them. */
bool compares_pages(const Child& child, std::uint64_t used_by_mapping) {
    bool had_list = false;

    while (!child.has_ended()) {
        const std::uint64_t used = device().read_info().value().used_pages;

        had_list = had_list || used > used_by_mapping;
        if (had_list && used == used_by_mapping)
            return true;
    }
    return false;
}

/*
 * MAP with KERNEL compares each page under the lock. A process that is killed meanwhile has not
 * mapped the buffer: the importer, which this process has as well, keeps no mapping.
 */
void killed_in_map_kernel() {
    const std::uint64_t entries = page_bytes() / sizeof(std::uint64_t); /* of a page table */

    until_seen([entries] {
        const Buffer buffer = device().create({.layout = long_layout()}).value();
        const Importer importer = device().attach(buffer.fd.get()).value();
        const std::uint64_t used = device().read_info().value().used_pages;
        const std::uint64_t used_by_table = (buffer.nr_pages + entries - 1) / entries;
        Child child([&] { return importer.map_kernel().code(); });
        const bool seen = compares_pages(child, used + used_by_table);

        child.kill();
        if (signal_of(child.wait()) != SIGKILL || !seen)
            return false;
        ksft::expect_eq(device().read_info().value().used_pages, used, "used_pages");
        return true;
    });
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const Victim& victim : victims)
        plan.add(std::string("killed[in=") + victim.name + "]", [&] { killed(victim); });
    plan.add("killed[in=MAP,flags=kernel]", killed_in_map_kernel);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
