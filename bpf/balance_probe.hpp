/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counts what callbacks of exporters did and undid: owns a loaded balance.bpf.o and its links.
 */
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "balance.h"
#include "bpf_object.hpp"
#include "exporter_watch.hpp"
#include "testexp.hpp"

struct balance_bpf;

namespace latency {

/* The two callbacks of an enum balance_pair, by their names in struct dma_buf_ops. */
struct BalancePair {
    std::string_view does;
    std::string_view undoes;
};

inline constexpr BalancePair balance_pairs[BALANCE_PAIRS] = {
    {"attach", "detach"}, {"pin", "unpin"}, {"map_dma_buf", "unmap_dma_buf"}};

/* Whether this callback belongs to a pair. */
bool is_balanced(const Callback& callback);

struct BufferBalance {
    std::uint64_t inode = 0; /* as in bufinfo */
    balance counts{};
};

struct BalanceReport {
    std::vector<BufferBalance> buffers; /* those with a counted call, by inode */
    std::uint64_t lost = 0;             /* calls that were not counted */
    bool lost_is_exact = true;          /* else the kernel may have dropped more calls */
};

class BalanceProbe {
public:
    /* Counts the calls of these callbacks from now on until stop(). ENOTSUP: no BTF. */
    static testexp::Result<BalanceProbe> attach(std::span<const Callback> callbacks);

    BalanceProbe(BalanceProbe&&) noexcept;
    BalanceProbe& operator=(BalanceProbe&&) noexcept;
    ~BalanceProbe();

    /* Detaches the programs. The counts stay. To be called at most once. */
    void stop();

    /* The counts so far. A call that has not returned counts as lost. */
    BalanceReport read() const;

private:
    struct SkeletonDeleter {
        void operator()(balance_bpf* skeleton) const;
    };

    BalanceProbe() = default;

    testexp::Status start(std::span<const Callback> callbacks);

    std::unique_ptr<balance_bpf, SkeletonDeleter> skeleton_;
    std::vector<Link> links_;
    Missed missed_; /* of links that are gone */
};

} // namespace latency
