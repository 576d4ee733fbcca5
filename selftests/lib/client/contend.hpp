/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Client of TESTEXP_IOC_CONTEND: threads of given roles that want the same
 * reservation locks, and what they have to tell afterwards.
 */
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "hist.hpp"
#include "testexp.hpp"

namespace testexp {

/* One of the threads; the fields are those of struct testexp_contender. */
struct Contender {
    testexp_role role = TESTEXP_ROLE_HOLD;
    testexp_path path = {};  /* of RESOLVE */
    std::uint32_t first = 0; /* importer of its set */
    std::uint32_t count = 1; /* of importers in it */
    std::uint64_t ops = 0;   /* 0: until the contention is over */
    std::uint64_t hold_ticks = 0;
    std::uint64_t idle_ticks = 0;
    std::uint64_t address = 0; /* of a mapping, for the paths by way of it */
    int cpu = -1;              /* floats */
    bool user = false;         /* somebody has to join() */
};

struct ContentionSpec {
    std::vector<int> importers = {}; /* descriptors */
    std::vector<Contender> contenders = {};
    std::uint64_t run_ticks = 0; /* 0: until those with ops have made them */
    std::uint64_t seed = 0;
    std::uint32_t timeout_ms = TESTEXP_MAX_RUN_MS;
};

/* What one contender has done and seen; histograms in clock ticks. */
struct ContenderReport {
    testexp_report counts{};
    testexp_hist wait = empty_hist(); /* for its locks, or fences */
    testexp_hist hold = empty_hist(); /* of its locks */
    testexp_hist op = empty_hist();   /* whole operations */
};

class Contention {
public:
    explicit Contention(Fd fd, std::size_t nr_contenders)
        : fd_(std::move(fd)), nr_contenders_(nr_contenders) {}

    int fd() const { return fd_.get(); }

    /* Returns when the contention is over. */
    Result<testexp_run> run() const;

    /* Be the contender of this index, which is a user's, until it is through. */
    Status join(std::uint32_t contender) const;

    /* Once it is over. */
    Result<ContenderReport> report(std::uint32_t contender) const;
    Result<std::vector<ContenderReport>> reports() const;

private:
    Fd fd_;
    std::size_t nr_contenders_;
};

Result<Contention> contend(const Device& device, const ContentionSpec& spec);

/**
 * How evenly @shares are spread: 1 when all are equal, 1/n when one has everything.
 * (sum x)^2 / (n * sum x^2), after R. Jain. 1 when there is nothing to share.
 */
double jain_index(std::span<const std::uint64_t> shares);

} // namespace testexp
