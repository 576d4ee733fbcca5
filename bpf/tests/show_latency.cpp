// SPDX-License-Identifier: GPL-2.0
/*
 * Checks that a file is a latency.json, and prints its histograms for shell scripts, one line
 * each: function tool mode unit count lost unmatched.
 */
#include <fmt/core.h>

#include <cstdio>
#include <exception>

#include "latency_output.hpp"

int main(int argc, char** argv) {
    if (argc != 2) {
        fmt::print(stderr, "usage: show_latency FILE\n");
        return 2;
    }
    try {
        const auto histograms = latency::read_histograms(argv[1]);
        for (const auto& h : histograms.value())
            fmt::print("{} {} {} {} {} {} {}\n", h.name, h.labels.at("tool"), h.labels.at("mode"),
                       h.unit, h.hist.count, h.lost, h.unmatched);
        return histograms.value().empty() ? 1 : 0;
    } catch (const std::exception& problem) {
        fmt::print(stderr, "show_latency: {}\n", problem.what());
        return 1;
    }
}
