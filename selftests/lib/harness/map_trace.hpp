/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The calls of iommu_map(). They show the type and the cache mode of pages, which the page table of
 * an Intel IOMMU cannot show.
 */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace testexp {

/* One call. */
struct MapCall {
    std::uint64_t domain = 0; /* tells one domain from another */
    std::uint64_t iova = 0;
    std::uint64_t physical = 0;
    std::uint64_t bytes = 0;
    std::uint64_t prot = 0;
};

/* Bits of MapCall::prot, as in linux/iommu.h. */
inline constexpr std::uint64_t prot_cache = 1U << 2;
inline constexpr std::uint64_t prot_mmio = 1U << 4;

/* While the object exists, a trace buffer of its own records the calls. */
class MapTrace {
public:
    /* Skips where the kernel cannot trace a function's arguments. */
    MapTrace();
    MapTrace(const MapTrace&) = delete;
    MapTrace& operator=(const MapTrace&) = delete;
    ~MapTrace();

    /* The calls since the construction, in the order of time. */
    std::vector<MapCall> calls() const;

private:
    void remove() const;

    std::string event_;
    std::string instance_;
};

} // namespace testexp
