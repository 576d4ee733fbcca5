// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: while a buffer moves again and again, importers that resolve and install under the
 * reservation lock or with a sequence count never hold a stale PFN, read poison or lose a write,
 * and neither does the CPU (P1, P2). The naive importer does. While the buffer is revoked and
 * restored, no importer keeps an entry (P6).
 *
 * Method: threads fill, use and audit their tables and write to the pages. Another thread moves or
 * revokes a fixed number of times, each time after a round of all others, and then until the test
 * has seen each race that the case is about. A storm without the race fails.
 *
 * Does not see: interleavings that did not happen; move and revoke force the important ones. On an
 * emulated machine threads interleave but do not run at once.
 */
#include <atomic>
#include <functional>
#include <mutex>

#include <sched.h>

#include "lifetime.hpp"

using namespace testexp;

namespace {

constexpr std::uint32_t dynamic = TESTEXP_ATTACH_DYNAMIC;
constexpr std::uint64_t nr_pages = 32;
constexpr unsigned int nr_workers = 3;

std::uint64_t nr_steps() {
    return quick() ? 60 : 300;
}

/* Far more steps than any race needs that has not been seen after nr_steps(). */
constexpr std::uint64_t most_steps = 5000;

/* The layouts that a buffer moves through. */
Layout layout_of(std::uint64_t step) {
    switch (step % 3) {
    case 0:
        return Layout{}.ram(nr_pages, {.align_order = 5});
    case 1:
        return Layout{}.ram(1, {.repeat = nr_pages});
    default:
        return Layout{}.ram(20, {.align_order = 3, .skew = 5}).ram(1, {.repeat = nr_pages - 20});
    }
}

/* What all workers saw together. */
struct Seen {
    std::uint64_t installed = 0;
    std::uint64_t retries = 0;
    std::uint64_t notified = 0; /* moves between a resolve and its install */
    std::uint64_t torn = 0;     /* FILLs whose first entries a move dropped before the FILL ended */
    std::uint64_t audited = 0;
    std::uint64_t stale = 0;
    std::uint64_t written = 0;
    std::uint64_t wrong = 0; /* pages without their signature */
    std::uint64_t attached = 0;
    std::uint64_t refused = 0;
    std::uint64_t late = 0; /* importers that attached and were refused at the first get_pfn */
    std::uint64_t told = 0; /* importers that attached, filled and were then notified */

    Seen& operator+=(const Seen& other) {
        installed += other.installed;
        retries += other.retries;
        notified += other.notified;
        torn += other.torn;
        audited += other.audited;
        stale += other.stale;
        written += other.written;
        wrong += other.wrong;
        attached += other.attached;
        refused += other.refused;
        late += other.late;
        told += other.told;
        return *this;
    }

    std::string describe() const {
        return std::to_string(installed) + " installed, " + std::to_string(retries) + " retries, " +
               std::to_string(notified) + " notified in between, " + std::to_string(torn) +
               " torn, " + std::to_string(audited) + " audited, " + std::to_string(stale) +
               " stale, " + std::to_string(written) + " written, " + std::to_string(attached) +
               " attached, " + std::to_string(refused) + " refused, " + std::to_string(late) +
               " refused at get_pfn, " + std::to_string(told) + " told";
    }

    void add(const testexp_audit& audit) {
        audited += audit.entries;
        stale += audit.stale;
    }

    void add(const testexp_use& use) {
        written += use.used - use.gone;
        wrong += use.poisoned + use.wrong + use.gone;
    }
};

/*
 * Makes rounds in some threads, while the calling thread makes nr_steps() steps, and then further
 * steps until the rounds have seen enough, or most_steps. Each step waits until some round has
 * ended since the step before, so that neither side starves. A step does not wait for all rounds,
 * so rounds and steps overlap.
 */
class Storm {
public:
    using Round = std::function<void(Seen&)>;

    void add_worker(Round round) { rounds_.push_back(std::move(round)); }

    /* Adds rounds that are so short that no step waits for them. */
    void add_background(Round round) { background_.push_back(std::move(round)); }

    /*
     * Returns the sum of what all rounds have seen. The storm may end at most_steps although
     * @enough still returns false; the caller decides whether that is a failure.
     */
    Seen run(const std::function<void(std::uint64_t)>& step,
             const std::function<bool(const Seen&)>& enough) {
        std::vector<std::future<void>> workers;

        const EndAtExit end{over_}; /* or the workers would not end after an exception */

        workers.reserve(rounds_.size() + background_.size());
        for (const Round& round : rounds_)
            workers.push_back(in_thread([&] { return work(round, ended_); }));
        for (const Round& round : background_)
            workers.push_back(in_thread([&] { return work(round, ended_in_background_); }));
        for (std::uint64_t i = 0; !broken_; i++) {
            if (i >= nr_steps() && (i >= most_steps || enough(seen())))
                break;

            const std::uint64_t before = ended_;

            step(i);
            while (ended_ == before && !broken_)
                sched_yield();
        }
        over_ = true;
        for (std::future<void>& worker : workers)
            worker.get();
        return seen();
    }

private:
    struct EndAtExit {
        std::atomic<bool>& over;
        ~EndAtExit() { over = true; }
    };

    void work(const Round& round, std::atomic<std::uint64_t>& ended) {
        try {
            for (; !over_; ended++) {
                Seen one;

                round(one);

                const std::lock_guard lock(mutex_);

                seen_ += one;
            }
        } catch (...) {
            broken_ = true;
            throw;
        }
    }

    Seen seen() {
        const std::lock_guard lock(mutex_);

        return seen_;
    }

    std::vector<Round> rounds_;
    std::vector<Round> background_;
    std::mutex mutex_; /* protects seen_ */
    Seen seen_;
    std::atomic<std::uint64_t> ended_{0};
    std::atomic<std::uint64_t> ended_in_background_{0};
    std::atomic<bool> over_{false};
    std::atomic<bool> broken_{false};
};

/* @alone: no other thread fills this importer's table. */
void fill_use_audit(const Importer& importer, bool alone, const FillSpec& fill, Seen& seen) {
    const testexp_fill filled = importer.fill(fill).value();
    const testexp_use use = importer.use(signature, TESTEXP_USE_WRITE).value();

    seen.installed += filled.installed;
    seen.retries += filled.retries;
    seen.notified += filled.notified;
    /* A move after the FILL would have dropped all of the entries. */
    seen.torn += alone && use.used > 0 && use.used < fill.count ? 1 : 0;
    seen.add(use);
    seen.add(importer.audit().value());
}

/* Two importers with one thread each, an importer that two threads share, and the CPU. */
struct Moving {
    Buffer buffer = device()
                        .create({.layout = layout_of(0),
                                 .flags = TESTEXP_CREATE_DYNAMIC | TESTEXP_CREATE_SCATTER})
                        .value();
    Contents contents = Contents(buffer, layout_of(0));
    std::vector<Importer> importers;
    std::uint64_t cpu_writes = 0;

    /* The second importer fills with @paused. */
    Seen storm(const FillSpec& fill, const FillSpec& paused,
               const std::function<bool(const Seen&)>& enough) {
        Storm storm;

        for (unsigned int i = 0; i < nr_workers; i++)
            importers.push_back(device().attach(buffer.fd.get(), dynamic).value());
        for (unsigned int i = 0; i <= nr_workers; i++)
            storm.add_worker([&, i](Seen& seen) {
                fill_use_audit(importers[i % nr_workers], i % nr_workers != 0,
                               i == 1 ? paused : fill, seen);
            });
        storm.add_background(
            [&](Seen&) { contents.add_one(cpu_writes++ % nr_pages, word_of_cpu); });
        return storm.run(
            [&](std::uint64_t step) {
                device().move(buffer.fd.get(), layout_of(step + 1), TESTEXP_MOVE_SCATTER).value();
            },
            enough);
    }
};

/* Whether moves came where they can do harm. With the lock held that is only between two pages. */
bool raced(testexp_fill_mode mode, const Seen& seen) {
    return mode == TESTEXP_FILL_LOCKED ? seen.torn > 0 : seen.notified > 0 && seen.retries > 0;
}

/*
 * One of the importers pauses between resolve and install. With the lock, the pause is short and a
 * move queues for the lock; without, it lasts until a move has come.
 */
void right_importer(testexp_fill_mode mode) {
    require_pfns();

    const std::uint64_t violations = poison_violations();
    {
        Moving moving;
        const bool locked = mode == TESTEXP_FILL_LOCKED;
        const Seen seen =
            moving.storm({.mode = mode, .count = nr_pages},
                         {.mode = mode, .count = nr_pages, .pause_ms = locked ? 1U : 1000U},
                         [=](const Seen& so_far) { return raced(mode, so_far); });

        ksft::note(seen.describe());
        ksft::expect(raced(mode, seen), "a move came in the middle of a FILL");
        if (locked)
            ksft::expect_eq(seen.notified, 0, "move_notify between resolve and install");
        ksft::expect_eq(seen.stale, 0, "stale entries");
        ksft::expect_eq(seen.wrong, 0, "pages without their signature");
        ksft::expect_eq(moving.contents.sum(word_of_importers), seen.written,
                        "writes of importers that arrived");
        ksft::expect_eq(moving.contents.sum(word_of_cpu), moving.cpu_writes,
                        "writes of the CPU that arrived");
        moving.contents.expect_intact("after the storm");
        ksft::expect_eq(device().stats(moving.buffer.fd.get()).value().lock_violations, 0,
                        "callbacks without the reservation lock");
        ksft::expect(seen.installed > 0 && seen.written > 0,
                     "entries were installed and words written");
    }
    ksft::expect_eq(poison_violations(), violations, "poison_violations");
}

/* Pauses between resolve and install until it is notified that the PFN is stale. */
void naive_importer() {
    require_pfns();

    Moving moving;
    const FillSpec fill{.mode = TESTEXP_FILL_NAIVE, .count = nr_pages, .pause_ms = 1000};
    const Seen seen = moving.storm(fill, fill, [](const Seen& so_far) {
        return so_far.notified > 0 && so_far.stale > 0 && so_far.wrong > 0;
    });

    ksft::note(seen.describe());
    ksft::expect(seen.notified > 0, "a move came between resolve and install");
    ksft::expect(seen.stale > 0, "AUDIT finds stale entries");
    ksft::expect(seen.wrong > 0, "USE finds pages without their signature");
    /* The CPU is no importer. None of its writes is lost. */
    ksft::expect_eq(moving.contents.sum(word_of_cpu), moving.cpu_writes,
                    "writes of the CPU that arrived");
}

/* --- Attach against revoke ------------------------------------------------ */

/* A call that may only succeed or find the buffer revoked. */
template <typename T> bool done_or_revoked(const Result<T>& result) {
    if (!result && result.code() != ENODEV)
        throw std::runtime_error(result.error().what);
    return static_cast<bool>(result);
}

void attach_fill_audit(int buffer_fd, Seen& seen) {
    const Result<Importer> importer = device().attach(buffer_fd, dynamic);

    if (!done_or_revoked(importer)) {
        seen.refused++;
        return;
    }
    seen.attached++;

    /* So that a revoke comes here as often as after the FILL. */
    for (int i = 0; i < 8; i++)
        (void)importer.value().audit().value();

    const Result<testexp_fill> fill =
        importer.value().fill({.mode = TESTEXP_FILL_LOCKED, .count = nr_pages});

    const bool filled = done_or_revoked(fill);

    seen.installed += filled ? fill.value().installed : 0;
    seen.late += filled ? 0 : 1;
    /*
     * AUDIT is called several times, so that a revoke comes between two calls. From then on get_pfn
     * fails, so an entry that is still in the table counts as stale.
     */
    for (int i = 0; i < 8; i++) {
        const testexp_audit audit = importer.value().audit().value();

        seen.add(audit);
        if (filled && audit.notifies > 0) {
            seen.told++;
            break;
        }
        sched_yield();
    }
}

/*
 * Both sides of the race: a revoke before attach, and one after it. A revoke between attach and the
 * first get_pfn is left to chance here, because some kernels never switch threads there; revoke
 * makes it happen, in P6.late_attach.
 */
bool both_sides(const Seen& seen) {
    return seen.refused > 0 && seen.told > 0;
}

void attach_against_revoke(std::uint32_t create_flags) {
    if (create_flags & TESTEXP_CREATE_DYNAMIC)
        require_pfns();

    const testexp_info before = device().read_info().value();
    const Buffer buffer = device().create({.layout = layout_of(0), .flags = create_flags}).value();
    const int fd = buffer.fd.get();
    Storm storm;

    for (unsigned int i = 0; i < nr_workers; i++)
        storm.add_worker([=](Seen& seen) { attach_fill_audit(fd, seen); });

    const Seen seen = storm.run(
        [&](std::uint64_t step) {
            (step % 2 ? device().restore(fd) : device().revoke(fd)).value();
        },
        both_sides);
    const testexp_stats stats = device().stats(fd).value();

    ksft::note(seen.describe());
    ksft::expect_eq(seen.stale, 0, "entries that outlived a revoke");
    ksft::expect(both_sides(seen),
                 "there was a race: attach was refused, and an importer was notified");
    ksft::expect_eq(stats.detaches, stats.attaches, "detaches, against attaches");
    ksft::expect_eq(stats.unmaps, stats.maps, "unmaps, against maps");
    ksft::expect_eq(device().read_info().value().nr_importers, before.nr_importers, "nr_importers");
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    plan.add("P1.storm[importer=locked]", [] { right_importer(TESTEXP_FILL_LOCKED); });
    plan.add("P1.storm[importer=seq_retry]", [] { right_importer(TESTEXP_FILL_SEQ_RETRY); });
    plan.add("P1.storm[importer=naive]", naive_importer);
    plan.add("P6.storm[buffer=revocable]", [] { attach_against_revoke(TESTEXP_CREATE_REVOCABLE); });
    plan.add("P6.storm[buffer=dynamic]", [] { attach_against_revoke(TESTEXP_CREATE_DYNAMIC); });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
