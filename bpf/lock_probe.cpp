// SPDX-License-Identifier: GPL-2.0
#include "lock_probe.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "hist.hpp"
#include "hist_table.h"
#include "kallsyms.hpp"
#include "stats.hpp"

#include "locks.skel.h"

namespace latency {
namespace {

using testexp::Error;
using testexp::Result;
using testexp::Status;

using Programs = decltype(locks_bpf::progs);
using Program = bpf_program* Programs::*;

/* Where the kernel is hooked: one program of each row is used. */
struct Hook {
    const char* where;
    Program fentry;
    Program kprobe;
    Program tracepoint = nullptr;
};

/* Programs for an end are attached first, so that no beginning is seen without its end. */
constexpr Hook hooks[] = {
    {"ww_mutex_unlock", &Programs::unlock_fentry, &Programs::unlock_kprobe},
    {"ww_mutex_lock (return)", &Programs::lock_fexit, &Programs::lock_kretprobe},
    {"ww_mutex_lock", &Programs::lock_fentry, &Programs::lock_kprobe},
    {"ww_mutex_lock_interruptible (return)", &Programs::interruptible_fexit,
     &Programs::interruptible_kretprobe},
    {"ww_mutex_lock_interruptible", &Programs::interruptible_fentry,
     &Programs::interruptible_kprobe},
    {"ww_mutex_trylock (return)", &Programs::trylock_fexit, &Programs::trylock_kretprobe},
    {"ww_mutex_trylock", nullptr, &Programs::trylock_kprobe},
    {"lock:contention_end", &Programs::contention_end, &Programs::contention_end,
     &Programs::wait_ends},
    {"lock:contended_release", nullptr, nullptr, &Programs::contended_release},
    {"lock:contention_begin", &Programs::contention_begin, &Programs::contention_begin,
     &Programs::wait_begins},
};

constexpr Program program_of(const Hook& hook, Mode mode) {
    return mode == Mode::fentry   ? hook.fentry
           : mode == Mode::kprobe ? hook.kprobe
                                  : hook.tracepoint;
}

/* Returns what this mode loses in comparison with fentry, or nullptr. */
const char* loss_of(Mode mode) {
    switch (mode) {
    case Mode::kprobe:
        return "no fentry: kprobes disturb more, and may lose returns";
    case Mode::tracepoint:
        return "no probe on any function: only contended waits are seen, and of holds only the "
               "part "
               "that others waited for";
    case Mode::fentry:
        break;
    }
    return nullptr;
}

std::size_t nr_cpus() {
    const int cpus = libbpf_num_possible_cpus();
    return cpus > 0 ? static_cast<std::size_t>(cpus) : 1;
}

lock_stats empty_lock_stats() {
    lock_stats stats{};
    for (testexp_hist& hist : stats.hists)
        testexp_hist_reset(&hist);
    return stats;
}

static_assert(sizeof(lock_stats) % 8 == 0);

std::string size_text(std::uint64_t bytes) {
    if (bytes >= 1 << 20 && bytes % (1 << 20) == 0)
        return fmt::format("{} MiB", bytes >> 20);
    return fmt::format("{} KiB", bytes >> 10);
}

/* All entries of a hash map. */
template <typename Key, typename Value, typename Each>
void for_each_entry(const bpf_map* map, const Each& each) {
    Key key{};
    Value value{};
    const void* previous = nullptr;

    while (!bpf_map__get_next_key(map, previous, &key, sizeof(key))) {
        previous = &key;
        if (!bpf_map__lookup_elem(map, &key, sizeof(key), &value, sizeof(value), 0))
            each(key, value);
    }
}

} // namespace

void LockProbe::SkeletonDeleter::operator()(locks_bpf* skeleton) const {
    locks_bpf__destroy(skeleton);
}

LockProbe::LockProbe(LockProbe&&) noexcept = default;
LockProbe& LockProbe::operator=(LockProbe&&) noexcept = default;
LockProbe::~LockProbe() = default;

/*
 * The watch on buffers comes first. Without it every ww_mutex has to be watched, which is
 * decided at load time. So locks.bpf.o may be loaded twice.
 */
Result<LockProbe> LockProbe::attach(const LockOptions& options, std::vector<std::string>& lost) {
    std::optional<Error> first;

    for (const Mode mode : all_modes) {
        if (options.buffers.mode.value_or(mode) != mode)
            continue;
        LockProbe probe(options);
        probe.mode_ = mode;
        Status ready = probe.load(false);
        if (ready) {
            BufferOptions buffers = options.buffers;
            if (mode == Mode::tracepoint)
                buffers.mode = mode; /* by itself, BufferWatch takes only fentry or kprobe */
            auto watch = BufferWatch::attach(buffers, bpf_map__fd(probe.skeleton_->maps.locks));
            if (watch) {
                probe.buffers_ = std::move(watch).value();
            } else if (watch.code() == ENOTSUP && mode != Mode::tracepoint &&
                       options.buffers.exporter.empty() && !options.buffers.descriptor) {
                lost.push_back(watch.error().what +
                               ": all ww_mutexes are traced, as nothing tells which are "
                               "reservation locks, nor of which buffer");
                ready = probe.load(true);
            } else {
                ready = watch.error();
            }
        }
        if (ready)
            ready = probe.start(lost);
        if (ready) {
            if (const char* loss = loss_of(mode); loss && !options.buffers.mode)
                lost.emplace_back(loss);
            return probe;
        }
        if (!first)
            first = ready.error();
    }
    return *first;
}

Status LockProbe::load(bool any_lock) {
    skeleton_.reset(locks_bpf__open());
    if (!skeleton_)
        return failure(errno, "open locks.bpf.o");

    auto& set = *skeleton_->rodata;
    hist_table_fill(std::begin(set.hist_table));
    set.by = options_.by;
    set.filter_tgid = static_cast<__u32>(options_.filter_tgid);
    set.max_groups = options_.max_groups;
    set.any_lock = any_lock;
    set.timeline = options_.timeline_bytes != 0;

    const auto& maps = skeleton_->maps;
    bpf_map__set_max_entries(maps.locks, options_.buffers.max_buffers);
    bpf_map__set_max_entries(maps.groups, options_.max_groups);
    bpf_map__set_max_entries(maps.stats, options_.max_groups);
    if (options_.timeline_bytes)
        bpf_map__set_max_entries(maps.events, static_cast<__u32>(options_.timeline_bytes));

    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton_->obj)
        bpf_program__set_autoload(program, std::ranges::any_of(hooks, [&](const Hook& hook) {
                                      const Program wanted = program_of(hook, mode_);
                                      return wanted && skeleton_->progs.*wanted == program;
                                  }));
    if (int error = locks_bpf__load(skeleton_.get()))
        return failure(-error, fmt::format("load locks.bpf.o for {}", mode_name(mode_)));
    return clear_stats();
}

Status LockProbe::clear_stats() {
    const std::vector<lock_stats> cpus(nr_cpus(), empty_lock_stats());

    for (__u32 group = 0; group < options_.max_groups; group++)
        if (int error =
                bpf_map__update_elem(skeleton_->maps.stats, &group, sizeof(group), cpus.data(),
                                     cpus.size() * sizeof(lock_stats), BPF_ANY))
            return failure(-error, "prepare the histograms");
    return std::monostate{};
}

/*
 * With kprobes or tracepoints some may be missing, but not the first; with fentry all programs
 * would not have loaded.
 */
Status LockProbe::start(std::vector<std::string>& lost) {
    for (const Hook& hook : hooks) {
        const Program program = program_of(hook, mode_);
        if (!program)
            continue;
        Link link(bpf_program__attach(skeleton_->progs.*program));
        if (link) {
            links_.push_back(std::move(link));
            continue;
        }
        const Error error = mode_ == Mode::tracepoint
                                ? attach_failure(errno, skeleton_->progs.*program)
                                : failure(errno, fmt::format("attach to {}", hook.where));
        if (links_.empty())
            return error;
        lost.push_back(error.what);
        cuts_.push_back(error.what);
    }
    skeleton_->bss->complete = 1;
    return std::monostate{};
}

void LockProbe::stop() {
    /* Read while the programs are loaded, so that their frames have names. */
    if (options_.by == LOCKS_BY_STACK) {
        std::ifstream text("/proc/kallsyms");
        symbols_.emplace(text);
    }
    skeleton_->bss->complete = 0;
    for (auto link = links_.rbegin(); link != links_.rend(); ++link) {
        missed_ += missed_by(**link);
        link->reset();
    }
    links_.clear();
    if (buffers_) {
        nr_buffers_ = buffers_->nr_buffers();
        nr_too_many_ = buffers_->nr_too_many();
        buffers_.reset();
    }
}

Result<LockReport> LockProbe::read() const {
    LockReport report;

    report.counts = skeleton_->bss->counts;
    report.counts.buffers_full += nr_too_many_;
    report.cuts = cuts_;
    if (report.counts.buffers_full != 0)
        report.cuts.push_back(
            fmt::format("{} dma-bufs were not watched, as there were more than --max-buffers",
                        report.counts.buffers_full));
    report.missed = missed_;
    report.nr_buffers = nr_buffers_;
    for (const Hook& hook : hooks)
        if (const Program program = program_of(hook, mode_))
            report.missed += missed_by(*(skeleton_->progs.*program));
    count_unfinished(report);
    read_events(report);
    if (Status done = read_groups(report); !done)
        return done.error();
    return report;
}

/* Calls that never returned, and locks that were never dropped. */
void LockProbe::count_unfinished(LockReport& report) const {
    for (const lock_waiter& waiter : skeleton_->bss->waiters)
        report.counts.unmatched_waits += waiter.task != 0 ? 1 : 0;
    for_each_entry<__u64, lock_state>(
        skeleton_->maps.locks, [&](const __u64&, const lock_state& state) {
            report.counts.unmatched_holds += state.acquired_ns != 0 ? 1 : 0;
        });
}

std::string LockProbe::describe(__u64 key, const lock_group& group) const {
    if (options_.by == LOCKS_BY_PROCESS)
        return fmt::format("{} {}", group.name, key);
    if (options_.by == LOCKS_BY_BUFFER)
        return group.name[0] == '\0'
                   ? fmt::format("lock {:#x}", key)
                   : fmt::format("{} {} {}", group.name, size_text(group.size_bytes), key);

    const auto id = static_cast<__u32>(key);
    std::array<std::uint64_t, LOCK_STACK_DEPTH> addresses{};
    if (key == LOCK_NO_STACK || bpf_map__lookup_elem(skeleton_->maps.stacks, &id, sizeof(id),
                                                     addresses.data(), sizeof(addresses), 0))
        return "unknown stack";
    constexpr std::size_t depth = 6;
    return symbols_ ? symbols_->stack(addresses, depth) : "unknown stack";
}

Status LockProbe::read_groups(LockReport& report) const {
    std::vector<std::string> names(options_.max_groups);
    names[LOCK_GROUP_OTHERS] = "all others";
    for_each_entry<__u64, lock_group>(skeleton_->maps.groups,
                                      [&](const __u64& key, const lock_group& group) {
                                          if (group.index < names.size())
                                              names[group.index] = describe(key, group);
                                      });

    std::vector<lock_stats> cpus(nr_cpus());
    for (__u32 index = 0; index < options_.max_groups; index++) {
        LockGroup group{.who = names[index], .hists = {}};
        if (int error = bpf_map__lookup_elem(skeleton_->maps.stats, &index, sizeof(index),
                                             cpus.data(), cpus.size() * sizeof(lock_stats), 0))
            return failure(-error, "read the histograms");
        bool empty = true;
        for (std::size_t which = 0; which < LOCK_HISTS; which++) {
            group.hists[which] = testexp::empty_hist();
            for (const lock_stats& cpu : cpus)
                merge_counted(group.hists[which], cpu.hists[which]);
            empty &= group.hists[which].count == 0;
        }
        if (!empty)
            report.groups.push_back(std::move(group));
    }
    read_blames(report, names);
    return std::monostate{};
}

void LockProbe::read_blames(LockReport& report, const std::vector<std::string>& names) const {
    const auto name = [&](__u32 index) {
        return index < names.size() ? names[index] : std::string("not seen");
    };

    for_each_entry<lock_pair, lock_pair_stats>(
        skeleton_->maps.pairs, [&](const lock_pair& pair, const lock_pair_stats& stats) {
            report.blames.push_back({name(pair.waiter), name(pair.holder), stats});
        });
    std::ranges::sort(report.blames, std::greater{},
                      [](const LockBlame& blame) { return blame.stats.total_ns; });
}

void LockProbe::read_events(LockReport& report) const {
    if (!options_.timeline_bytes)
        return;
    const auto keep = [](void* into, void* event, std::size_t size) {
        if (size >= sizeof(lock_event))
            static_cast<LockReport*>(into)->events.push_back(
                *static_cast<const lock_event*>(event));
        return 0;
    };
    const std::unique_ptr<ring_buffer, decltype(&ring_buffer__free)> ring(
        ring_buffer__new(bpf_map__fd(skeleton_->maps.events), keep, &report, nullptr),
        ring_buffer__free);
    if (ring)
        ring_buffer__consume(ring.get());
}

} // namespace latency
