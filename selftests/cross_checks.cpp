// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: the modes of MEASURE agree. A batch of n operations costs n - 1 operations more than a
 * batch of one, to the instruction. A single operation costs what a batch of one costs. The middle
 * of the histograms is that value.
 *
 * Method: instruction counts, which are repeatable, so it needs a machine that counts instructions.
 * Minima contain no timer ticks. Besides the operation, a value contains the clock, the call of the
 * path and, in a batch, the test whether to take the lock. These are the same for all paths, so the
 * empty path measures them.
 *
 * Does not see: times; a cost that all modes and paths have alike.
 */
#include "environment.hpp"
#include "fixture.hpp"
#include "hist.hpp"

#include <sys/mman.h>

using namespace testexp;

namespace {

constexpr std::uint64_t nr_pages = 512;
constexpr std::uint32_t huge_order = 9;

/* One extent of 512 pages, mapped as the path needs it. */
class Bench {
public:
    explicit Bench(testexp_path path) : path_(path_row(path)) {
        require_path(path_);
        buffer_ = device()
                      .create({.layout = Layout{}.ram(nr_pages, {.align_order = huge_order}),
                               .flags = path_.create_flags()})
                      .value();
        importer_.emplace(device().attach(buffer_.fd.get()).value());
        mapping_.emplace(
            Mapping::map_aligned(buffer_.fd.get(), nr_pages, nr_pages * page_bytes()).value());
        /* Without fault-around, so that each cold page costs a fault. */
        if (madvise(mapping_->bytes().data(), mapping_->bytes().size(), MADV_RANDOM) < 0)
            ksft::fail(errno_error("MADV_RANDOM").what);
    }

    Measurement run(testexp_measure_mode mode, std::uint32_t ops) const {
        return importer_
            ->measure({.path = path_.id,
                       .nr_pages = nr_pages,
                       .ops_per_batch = ops,
                       .batches = quick() ? 100U : 400U,
                       .mode = mode,
                       .address = address_for(path_, *mapping_)})
            .value();
    }

    std::uint64_t batch(std::uint32_t ops) const {
        return run(TESTEXP_MODE_BATCH, ops).totals.min_batch_ticks;
    }

    std::uint64_t single() const { return run(TESTEXP_MODE_SINGLE, 50).totals.min_batch_ticks; }

private:
    const Path& path_;
    Buffer buffer_;
    std::optional<Importer> importer_;
    std::optional<Mapping> mapping_;
};

void require_counting() {
    REQUIRE(read_environment(device().info()).clock == "icount",
            "only counted instructions repeat exactly: scripts/vm --icount");
}

void batches_are_linear(testexp_path path) {
    require_counting();

    const Bench bench(path);
    const std::uint64_t fifty = bench.batch(50);
    const std::uint64_t hundred = bench.batch(100);
    const std::uint64_t operation = (hundred - fifty) / 50;

    ksft::note("an operation of " + std::string(path_row(path).name) + ": " +
               std::to_string(operation) + " instructions");
    ksft::expect_eq(hundred - fifty, 50 * operation, "50 operations more");
    ksft::expect_eq(bench.batch(150) - hundred, hundred - fifty, "the next 50 operations");
    ksft::expect_eq(bench.batch(50), fifty, "a batch of 50 again");
}

void single_is_a_batch_of_one(testexp_path path) {
    require_counting();

    const Bench bench(path);
    const Bench empty(TESTEXP_PATH_EMPTY);
    const std::uint64_t question = empty.batch(1) - empty.single();
    const std::uint64_t more = bench.batch(1) - bench.single();

    if (!path_row(path).one_hold) {
        ksft::expect_eq(more, question, "what a batch of one has more than a single operation");
        return;
    }

    /* A batch includes the lock, but not the loop of the lock's baseline. */
    const Bench lock(TESTEXP_PATH_LOCK_UNLOCK);
    const std::uint64_t lock_unlock = (lock.batch(100) - lock.batch(50)) / 50;

    ksft::expect(more <= question + lock_unlock + 5 && more + 5 >= question + lock_unlock,
                 "a batch of one has " + std::to_string(more) +
                     " more than a single operation; the lock costs " +
                     std::to_string(lock_unlock));
}

void histograms_have_it_in_the_middle(testexp_path path) {
    require_counting();

    const Bench bench(path);

    for (const testexp_measure_mode mode : {TESTEXP_MODE_BATCH, TESTEXP_MODE_SINGLE}) {
        const Measurement measured = bench.run(mode, 10);
        const auto least = static_cast<double>(measured.hist.min);

        /* A bucket is a sixteenth of an octave. Timer ticks are rare; they are in the mean. */
        ksft::expect(static_cast<double>(percentile(measured.hist, 50)) <= least * 1.0625 + 1,
                     "p50 is in the bucket of the fastest");
        ksft::expect(mean(measured.hist) <= least * 1.25 + 25, "the mean is near the minimum");
        ksft::expect(mean(measured.hist) >= least, "the mean is not below the minimum");
    }
}

/* The loop may take at most 5 instructions per operation, so that it does not hide the path. */
void the_loop_is_cheap() {
    require_counting();

    const Bench empty(TESTEXP_PATH_EMPTY);

    ksft::expect((empty.batch(100) - empty.batch(50)) / 50 <= 5, "instructions of the loop");
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const Path& row : paths) {
        const testexp_path path = row.id;
        const std::string parameter = std::string("[path=") + row.name + "]";

        plan.add("cross.linear" + parameter, [=] { batches_are_linear(path); });
        plan.add("cross.single" + parameter, [=] { single_is_a_batch_of_one(path); });
        plan.add("cross.middle" + parameter, [=] { histograms_have_it_in_the_middle(path); });
    }
    plan.add("cross.loop", the_loop_is_cheap);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
