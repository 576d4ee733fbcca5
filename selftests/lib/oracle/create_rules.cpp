// SPDX-License-Identifier: GPL-2.0
#include "create_rules.hpp"

#include <cerrno>
#include <cstddef>
#include <vector>

namespace testexp {

namespace {

using Wide = unsigned __int128; /* wide enough that no sum or product overflows */

constexpr Wide all_pfns = Wide{1} << TESTEXP_PFN_BITS;

Wide pages_of_one(const testexp_extent& extent) {
    return Wide{extent.nr_pages} * extent.repeat;
}

bool has_wrong_placement(const testexp_extent& extent) {
    if (extent.type != TESTEXP_EXTENT_RAM)
        return extent.align_order != 0 || extent.skew != 0;
    return extent.align_order > TESTEXP_MAX_ALIGN_ORDER || extent.skew >= std::uint64_t{1}
                                                                              << extent.align_order;
}

bool has_wrong_kind(const testexp_extent& extent) {
    if (extent.cache >= TESTEXP_CACHE_MODES || (extent.attributes & ~TESTEXP_EXTENT_ATTRIBUTES))
        return true;
    switch (extent.type) {
    case TESTEXP_EXTENT_SYNTHETIC:
        return false;
    case TESTEXP_EXTENT_MMIO:
        return extent.cache == TESTEXP_CACHE_WB || (extent.attributes & TESTEXP_EXTENT_AS_MMIO);
    default:
        return extent.cache != TESTEXP_CACHE_WB || extent.attributes != 0;
    }
}

bool has_wrong_place(const testexp_extent& extent) {
    const bool has_place = extent.type == TESTEXP_EXTENT_MMIO ||
                           extent.type == TESTEXP_EXTENT_SYNTHETIC ||
                           extent.type == TESTEXP_EXTENT_ALIAS;

    return (!has_place && extent.at != 0) || extent.at + pages_of_one(extent) > all_pfns;
}

bool is_wrong(const testexp_extent& extent) {
    return extent.type >= TESTEXP_EXTENT_TYPES || extent.nr_pages == 0 || extent.repeat == 0 ||
           has_wrong_placement(extent) || has_wrong_kind(extent) || has_wrong_place(extent);
}

/* Pages of RAM that certainly follow one another in physical memory. */
struct Stretch {
    Wide start;
    Wide end;
};

/* The extents before an ALIAS, as far as they decide whether the ALIAS is valid. */
class Ram {
public:
    void add(const testexp_extent& extent) {
        const Wide pages = pages_of_one(extent);
        const bool is_ram = extent.type == TESTEXP_EXTENT_RAM;

        if (is_ram)
            for (std::uint64_t i = 0; i < extent.repeat && i < max_repeats; i++)
                stretches_.push_back(
                    {end_ + Wide{i} * extent.nr_pages, end_ + Wide{i + 1} * extent.nr_pages});
        else if (extent.type == TESTEXP_EXTENT_ALIAS)
            stretches_.push_back({end_, end_ + pages});
        end_ += pages;
    }

    /*
     * An alias that continues behind the end of a stretch succeeds only if the next extent happens
     * to be physically adjacent.
     */
    void judge_alias(const testexp_extent& alias, Verdict& verdict) const {
        const Wide end = alias.at + pages_of_one(alias);

        for (const Stretch& stretch : stretches_)
            if (alias.at >= stretch.start && alias.at < stretch.end) {
                if (end > stretch.end)
                    verdict.obstacles.insert(EINVAL);
                return;
            }
        verdict.defects.insert(EINVAL);
    }

private:
    /* An alias finds only the first repeats of an extent. */
    static constexpr std::uint64_t max_repeats = 4096;

    std::vector<Stretch> stretches_;
    Wide end_ = 0;
};

void judge_flags(std::uint32_t flags, const testexp_info& info, Verdict& verdict) {
    const bool no_map = flags & TESTEXP_CREATE_NO_MAP;

    if (flags & ~TESTEXP_CREATE_FLAGS)
        verdict.defects.insert(EOPNOTSUPP);
    if (no_map && !(info.features & TESTEXP_FEAT_NO_MAP))
        verdict.defects.insert(EOPNOTSUPP);
    if (no_map && (flags & TESTEXP_CREATE_NO_GET_PFN))
        verdict.defects.insert(EINVAL);
    if ((flags & TESTEXP_CREATE_HUGE) && (flags & TESTEXP_CREATE_SHOW_PAGES))
        verdict.defects.insert(EINVAL);
    if ((flags & TESTEXP_CREATE_HUGE) && !(info.features & TESTEXP_FEAT_HUGE))
        verdict.defects.insert(EOPNOTSUPP);
    if ((flags & TESTEXP_CREATE_CACHE_SGT) && (no_map || (flags & TESTEXP_CREATE_DYNAMIC)))
        verdict.defects.insert(EINVAL);
    if ((flags & TESTEXP_CREATE_CACHE_SGT) && !(info.features & TESTEXP_FEAT_MAPS_AT_ATTACH))
        verdict.defects.insert(EOPNOTSUPP);
}

/* What all extents together need. */
struct Sum {
    Wide pages = 0;
    Wide ram_pages = 0;
    Wide entries = 0;
    std::uint64_t mmio_extents = 0;

    void add(const testexp_extent& extent) {
        pages += pages_of_one(extent);
        entries += extent.repeat;
        if (extent.type == TESTEXP_EXTENT_RAM)
            ram_pages += pages_of_one(extent);
        mmio_extents += extent.type == TESTEXP_EXTENT_MMIO;
    }

    /* The size of a dma-buf in bytes must fit into a signed 64-bit number. */
    void judge(const testexp_info& info, Verdict& verdict) const {
        if (pages > (~std::uint64_t{0} >> 1) >> info.page_shift)
            verdict.defects.insert(EINVAL);
        if (entries > info.max_extents || mmio_extents > TESTEXP_MAX_MMIO_EXTENTS ||
            ram_pages > info.max_pages)
            verdict.defects.insert(ENOSPC);
        else if (ram_pages + entries / 32 > info.max_pages / 2) {
            verdict.obstacles.insert(ENOSPC);
            verdict.obstacles.insert(ENOMEM);
        }
    }
};

void judge_mmio(const testexp_extent& extent, const testexp_info& info, Verdict& verdict) {
    if (info.mmio_pages == 0)
        verdict.defects.insert(ENODEV);
    else if (extent.at + pages_of_one(extent) > info.mmio_pages)
        verdict.defects.insert(ENXIO);
    else
        verdict.obstacles.insert(EBUSY);
}

} // namespace

Verdict verdict_of_create(const Layout& layout, std::uint32_t flags, const testexp_info& info) {
    Verdict verdict;
    Sum sum;
    Ram ram;

    judge_flags(flags, info, verdict);
    for (const testexp_extent& extent : layout.extents) {
        if (extent.type == TESTEXP_EXTENT_MMIO && (flags & TESTEXP_CREATE_SHOW_PAGES))
            verdict.defects.insert(EINVAL);
        if (is_wrong(extent))
            verdict.defects.insert(EINVAL);
        else if (extent.type == TESTEXP_EXTENT_MMIO)
            judge_mmio(extent, info, verdict);
        else if (extent.type == TESTEXP_EXTENT_ALIAS)
            ram.judge_alias(extent, verdict);
        sum.add(extent);
        ram.add(extent);
    }
    sum.judge(info, verdict);
    return verdict;
}

} // namespace testexp
