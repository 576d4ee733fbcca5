// SPDX-License-Identifier: GPL-2.0
/*
 * Two runs of the same case are called equal 95 times of 100, and a slower run is found. The
 * runs are simulated. Repetitions in one process share pages and places in the caches, so the
 * process shifts all its repetitions by the same amount. This amount is larger than the difference
 * between two repetitions.
 */
#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "times.hpp"

namespace {

using report::Bench;

constexpr double tolerance_percent = 2;
constexpr int processes = static_cast<int>(report::wanted_processes);
constexpr int repetitions = 3;
constexpr int cases = 4;

/* The deviation of a value from the true value, as a share: one standard deviation. */
constexpr double of_a_process = 0.02;         /* the same for all its cases */
constexpr double of_a_case_in_process = 0.02; /* the same for all repetitions of a case */
constexpr double of_a_repetition = 0.003;

enum class Label { process, repetition };

class Simulation {
public:
    /*
     * Returns a run in which the first case takes @factor times its usual time. Values with the
     * same @label are one process in the file.
     */
    Bench run(double factor, Label label = Label::process) {
        nlohmann::json json = {{"context", {{"clock", "tsc"}}},
                               {"benchmarks", nlohmann::json::array()}};

        for (int process = 0; process < processes; process++) {
            const double shift = draw(of_a_process);

            for (int number = 0; number < cases; number++) {
                const double usual =
                    100 * (number == 0 ? factor : 1) * (1 + shift + draw(of_a_case_in_process));

                for (int index = 0; index < repetitions; index++)
                    json["benchmarks"].push_back(
                        {{"name", "case" + std::to_string(number)},
                         {"per_op", 1},
                         {"mean", usual * (1 + draw(of_a_repetition))},
                         {"process",
                          label == Label::process ? process : process * repetitions + index},
                         {"repetition_index", index}});
            }
        }
        return report::parse_bench(json);
    }

private:
    double draw(double deviation) { return std::normal_distribution(0.0, deviation)(random_); }

    std::mt19937_64 random_{
        20250107}; // NOLINT(bugprone-random-generator-seed,cert-msc51-cpp): the same every time
};

bool any_moved(const Bench& before, const Bench& after) {
    return std::ranges::any_of(report::compare_times(before, after), [](const auto& change) {
        return change.is_real(tolerance_percent);
    });
}

int count_moved(int pairs, double factor, Label label = Label::process) {
    Simulation simulation;
    int moved = 0;

    for (int pair = 0; pair < pairs; pair++) {
        const Bench before = simulation.run(1, label);

        moved += any_moved(before, simulation.run(factor, label)) ? 1 : 0;
    }
    return moved;
}

TEST(EqualRuns, AreCalledEqual) {
    EXPECT_LE(count_moved(200, 1), 10) << "of 200 pairs";
}

TEST(EqualRuns, WouldNotBeIfEachRepetitionStoodForItself) {
    EXPECT_GE(count_moved(30, 1, Label::repetition), 6)
        << "of 30 pairs: else this simulation could not tell the difference";
}

TEST(EqualRuns, SlowerOnesAreFound) {
    EXPECT_GE(count_moved(40, 1.10), 38) << "of 40 pairs, one case of which takes 10 % more";
}

} // namespace
