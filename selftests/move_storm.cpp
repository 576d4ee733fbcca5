// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: while a buffer moves again and again, importers that resolve and install
 * under the reservation lock or with a sequence count never hold a stale PFN, read
 * poison or lose a write, and neither does the CPU (P1, P2); the naive importer
 * does. While it is revoked and restored, no importer keeps an entry (P6).
 *
 * Method: threads fill, use and audit their tables and write to the pages; another
 * moves or revokes a counted number of times, each after a round of all others.
 *
 * Does not see: interleavings that did not happen; see move and revoke for those that
 * matter. On an emulated machine threads interleave, but do not run at once.
 */
#include <atomic>
#include <functional>

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

/* The layouts a buffer goes through. */
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

/* What the workers saw, added up. */
struct Seen {
    std::uint64_t installed = 0;
    std::uint64_t retries = 0;
    std::uint64_t audited = 0;
    std::uint64_t stale = 0;
    std::uint64_t written = 0;
    std::uint64_t wrong = 0; /* pages without their signature */
    std::uint64_t attached = 0;
    std::uint64_t refused = 0;

    Seen& operator+=(const Seen& other) {
        installed += other.installed;
        retries += other.retries;
        audited += other.audited;
        stale += other.stale;
        written += other.written;
        wrong += other.wrong;
        attached += other.attached;
        refused += other.refused;
        return *this;
    }

    std::string describe() const {
        return std::to_string(installed) + " installed, " + std::to_string(retries) + " retries, " +
               std::to_string(audited) + " audited, " + std::to_string(stale) + " stale, " +
               std::to_string(written) + " written, " + std::to_string(attached) + " attached, " +
               std::to_string(refused) + " refused";
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
 * Makes rounds in some threads while this one makes @nr_steps steps. Each step comes
 * when a round has ended since the one before, so that neither side starves; and
 * rounds overlap steps, as they are not waited for one by one.
 */
class Storm {
public:
    using Round = std::function<void(Seen&)>;

    void add_worker(Round round) { rounds_.push_back(std::move(round)); }

    /* One whose rounds are so short that no step waits for them. */
    void add_background(Round round) { background_.push_back(std::move(round)); }

    Seen run(const std::function<void(std::uint64_t)>& step) {
        std::vector<std::future<Seen>> workers;

        workers.reserve(rounds_.size() + background_.size());
        for (const Round& round : rounds_)
            workers.push_back(in_thread([&] { return work(round, ended_); }));
        for (const Round& round : background_)
            workers.push_back(in_thread([&] { return work(round, ended_in_background_); }));
        for (std::uint64_t i = 0; i < nr_steps() && !broken_; i++) {
            const std::uint64_t before = ended_;

            step(i);
            while (ended_ == before && !broken_)
                sched_yield();
        }
        over_ = true;

        Seen all;

        for (std::future<Seen>& worker : workers)
            all += worker.get();
        return all;
    }

private:
    Seen work(const Round& round, std::atomic<std::uint64_t>& ended) {
        Seen seen;

        try {
            for (; !over_; ended++)
                round(seen);
        } catch (...) {
            broken_ = true;
            throw;
        }
        return seen;
    }

    std::vector<Round> rounds_;
    std::vector<Round> background_;
    std::atomic<std::uint64_t> ended_{0};
    std::atomic<std::uint64_t> ended_in_background_{0};
    std::atomic<bool> over_{false};
    std::atomic<bool> broken_{false};
};

void fill_use_audit(const Importer& importer, const FillSpec& fill, Seen& seen) {
    const testexp_fill filled = importer.fill(fill).value();

    seen.installed += filled.installed;
    seen.retries += filled.retries;
    seen.add(importer.use(signature, TESTEXP_USE_WRITE).value());
    seen.add(importer.audit().value());
}

/* Two importers of their own, one that two threads share, and the CPU. */
struct Moving {
    Buffer buffer = device()
                        .create({.layout = layout_of(0),
                                 .flags = TESTEXP_CREATE_DYNAMIC | TESTEXP_CREATE_SCATTER})
                        .value();
    Contents contents = Contents(buffer, layout_of(0));
    std::vector<Importer> importers;
    std::uint64_t cpu_writes = 0;

    Seen storm(const FillSpec& fill) {
        Storm storm;

        for (unsigned int i = 0; i < nr_workers; i++)
            importers.push_back(device().attach(buffer.fd.get(), dynamic).value());
        for (unsigned int i = 0; i <= nr_workers; i++)
            storm.add_worker(
                [&, i](Seen& seen) { fill_use_audit(importers[i % nr_workers], fill, seen); });
        storm.add_background(
            [&](Seen&) { contents.add_one(cpu_writes++ % nr_pages, word_of_cpu); });
        return storm.run([&](std::uint64_t step) {
            device().move(buffer.fd.get(), layout_of(step + 1), TESTEXP_MOVE_SCATTER).value();
        });
    }
};

void right_importer(testexp_fill_mode mode) {
    require_pfns();

    const std::uint64_t violations = poison_violations();
    {
        Moving moving;
        const Seen seen = moving.storm({.mode = mode, .count = nr_pages});

        ksft::note(seen.describe());
        ksft::expect_eq(seen.stale, 0, "stale entries");
        ksft::expect_eq(seen.wrong, 0, "pages without their signature");
        ksft::expect_eq(moving.contents.sum(word_of_importers), seen.written,
                        "writes of importers that arrived");
        ksft::expect_eq(moving.contents.sum(word_of_cpu), moving.cpu_writes,
                        "writes of the CPU that arrived");
        moving.contents.expect_intact("after the storm");
        ksft::expect_eq(device().stats(moving.buffer.fd.get()).value().lock_violations, 0,
                        "callbacks without the reservation lock");
        ksft::expect(seen.installed > 0 && seen.written > 0, "there was a storm");
    }
    ksft::expect_eq(poison_violations(), violations, "poison_violations");
}

/* Pauses between resolve and install until it is told that the PFN is stale. */
void naive_importer() {
    require_pfns();

    Moving moving;
    const Seen seen =
        moving.storm({.mode = TESTEXP_FILL_NAIVE, .count = nr_pages, .pause_ms = 1000});

    ksft::note(seen.describe());
    ksft::expect(seen.stale > 0, "AUDIT finds stale entries");
    ksft::expect(seen.wrong > 0, "USE finds pages without their signature");
    /* The CPU is no importer: nothing is lost of what it writes. */
    ksft::expect_eq(moving.contents.sum(word_of_cpu), moving.cpu_writes,
                    "writes of the CPU that arrived");
}

/* --- Attach against revoke ------------------------------------------------------ */

/* A call that the revoke may have come before, and nothing else. */
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

    const Result<testexp_fill> fill =
        importer.value().fill({.mode = TESTEXP_FILL_LOCKED, .count = nr_pages});

    if (done_or_revoked(fill))
        seen.installed += fill.value().installed;
    /* An entry is fine as long as get_pfn says the same: not when it was revoked. */
    seen.add(importer.value().audit().value());
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

    const Seen seen = storm.run([&](std::uint64_t step) {
        (step % 2 ? device().restore(fd) : device().revoke(fd)).value();
    });
    const testexp_stats stats = device().stats(fd).value();

    ksft::note(seen.describe());
    ksft::expect_eq(seen.stale, 0, "entries that outlived a revoke");
    ksft::expect(seen.attached > 0 && seen.refused > 0 && seen.installed > 0,
                 "there was a storm: some attached, some were refused");
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
    return ksft::run(make_plan, 300);
}
