/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The calls of iommu_map(). They show the type and the cache mode of pages, which the page table of
 * an Intel IOMMU cannot show.
 */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "oracle.hpp"

namespace testexp {

/* One call. */
struct MapCall {
    std::uint64_t domain = 0; /* tells one domain from another */
    std::uint64_t iova = 0;
    std::uint64_t physical = 0;
    std::uint64_t bytes = 0;
    std::uint64_t prot = 0;
};

/*
 * While the object exists, a trace buffer of its own records the calls. Where the kernel cannot
 * trace a function's arguments, expect_domains() checks nothing, and the case counts as skipped at
 * its end.
 */
class MapTrace {
public:
    MapTrace();
    MapTrace(const MapTrace&) = delete;
    MapTrace& operator=(const MapTrace&) = delete;
    ~MapTrace();

    /*
     * Expects that the calls have filled this number of domains. In each domain each of @pages is
     * mapped once, from @iova on, to its PFN and with its type and cache mode.
     */
    void expect_domains(std::size_t number, const std::vector<Page>& pages, std::uint64_t iova,
                        const std::string& when) const;

private:
    /* The calls since the construction, in the order of time. NotJudged if some are missing. */
    std::vector<MapCall> calls() const;

    std::string event_;
    std::string instance_;
    bool records_ = false;
};

} // namespace testexp
