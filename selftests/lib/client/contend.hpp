/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Client of TESTEXP_IOC_CONTEND: threads with given roles compete for reservation locks and report
 * what they did and how long they waited.
 */
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "hist.hpp"
#include "testexp.hpp"

namespace testexp {

/* One of the threads, with the fields of struct testexp_contender. */
struct Contender {
    testexp_role role = TESTEXP_ROLE_HOLD;
    testexp_path path = {};  /* for RESOLVE */
    std::uint32_t first = 0; /* index of its first importer */
    std::uint32_t count = 1; /* number of its importers */
    std::uint64_t ops = 0;   /* 0: no limit until the contention is over */
    std::uint64_t hold_ticks = 0;
    std::uint64_t idle_ticks = 0;
    std::uint64_t address = 0; /* address of a mapping, for a path that needs one */
    int cpu = -1;              /* -1: any processor */
    bool user = false;         /* a thread of user space, which calls join(), is this contender */
};

struct ContentionSpec {
    std::vector<int> importers = {}; /* descriptors of importers */
    std::vector<Contender> contenders = {};
    std::uint64_t run_ticks = 0; /* 0: until every contender with ops has made them */
    std::uint64_t seed = 0;
    std::uint32_t timeout_ms = TESTEXP_MAX_RUN_MS;
};

/* What one contender did and how long each part took. Histograms are in clock ticks. */
struct ContenderReport {
    testexp_report counts{};
    testexp_hist wait = empty_hist(); /* waits for its locks or fences */
    testexp_hist hold = empty_hist(); /* how long it held its locks */
    testexp_hist op = empty_hist();   /* whole operations */
};

class Contention {
public:
    explicit Contention(Fd fd, std::size_t nr_contenders)
        : fd_(std::move(fd)), nr_contenders_(nr_contenders) {}

    int fd() const { return fd_.get(); }

    /* Runs the contention and returns when it is over. */
    Result<testexp_run> run() const;

    /*
     * Makes the calling thread the contender with this index; returns when the contender is done.
     * Only for a contender with user set.
     */
    Status join(std::uint32_t contender) const;

    /* The report of a contender, after the contention is over. */
    Result<ContenderReport> report(std::uint32_t contender) const;
    Result<std::vector<ContenderReport>> reports() const;

private:
    Fd fd_;
    std::size_t nr_contenders_;
};

Result<Contention> contend(const Device& device, const ContentionSpec& spec);

/**
 * How evenly @shares are spread: 1 when all are equal or 0, 1/n when one of n has everything. (sum
 * x)^2 / (n * sum x^2), after R. Jain.
 */
double jain_index(std::span<const std::uint64_t> shares);

} // namespace testexp
