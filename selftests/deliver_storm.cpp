// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: a path that works under the reservation lock, or while the buffer is mapped, finds exactly
 * the pages that the buffer has at that moment, however often the buffer moves meanwhile (P1). This
 * includes phys_list, whose list is walked under the lock.
 *
 * Method: one thread moves the buffer many times and records the placement after each move.
 * Another thread calls DELIVER. Each entry says how many moves the importer had been notified of
 * when the entry was noted, so the entry must belong to the placement of that move. Paths that
 * unlock before they note are the control: they find pages that the buffer has left.
 *
 * Does not see: what happens to a result after DELIVER has noted it.
 */
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <set>

#include <sched.h>

#include "fixture.hpp"
#include "lifetime.hpp"

using namespace testexp;

namespace {

using Placement = std::vector<std::uint64_t>; /* the PFN of each page, or of the first page alone */

std::uint64_t nr_moves() {
    return is_debug_kernel() ? 20 : quick() ? 50 : 100;
}

/* The placements of a buffer. Its moves go from one to the next, in a circle. */
struct Places {
    std::vector<Layout> layouts;
    bool descending;   /* each PFN is 1 less than the one before, so the first PFN says all */
    std::uint32_t ops; /* operations of one DELIVER */
    std::size_t check_every = 1;
};

/* No memory belongs to these PFNs, so no page is copied: this allows many moves and long lists. */
Places synthetic_places(std::uint64_t pages, std::uint32_t ops) {
    const auto at = [pages](std::uint64_t first_pfn) {
        return Layout{}.synthetic(first_pfn, 1, {.cache = TESTEXP_CACHE_WB, .repeat = pages});
    };

    return {.layouts = {at(0x100000), at(0x900000)}, .descending = true, .ops = ops};
}

/* For paths that map the buffer. */
Places ram_places(std::uint32_t ops) {
    return {.layouts = {Layout{}.ram(1, {.repeat = 64})}, .descending = false, .ops = ops};
}

/* What was seen in the whole storm. */
struct Seen {
    std::uint64_t delivered = 0;   /* calls of DELIVER */
    std::uint64_t entries = 0;     /* entries that were compared */
    std::uint64_t wrong = 0;       /* entries that do not fit the buffer's placement */
    std::uint64_t interrupted = 0; /* calls with a move between two of their entries */
    std::uint64_t moves = 0;
    std::uint64_t busy = 0;       /* moves that were refused because the buffer was mapped */
    std::uint64_t placements = 0; /* placements that at least one entry belongs to */

    std::string describe() const {
        return std::to_string(moves) + " moves, " + std::to_string(busy) + " refused, " +
               std::to_string(delivered) + " DELIVERs, " + std::to_string(interrupted) +
               " of them interrupted, " + std::to_string(placements) + " placements seen, " +
               std::to_string(entries) + " entries, " + std::to_string(wrong) + " wrong";
    }
};

class Storm {
public:
    Storm(testexp_path path, Places places)
        : path_(path), places_(std::move(places)),
          buffer_(device()
                      .create({.layout = places_.layouts[0],
                               .flags = TESTEXP_CREATE_DYNAMIC | TESTEXP_CREATE_SCATTER})
                      .value()),
          importer_(device().attach(buffer_.fd.get(), TESTEXP_ATTACH_DYNAMIC).value()) {}

    /* Makes nr_moves() moves and calls, and then more, up to a limit, as long as @go_on is true. */
    Seen run(const std::function<bool(const Seen&)>& go_on) {
        keep_placement();

        std::future<void> deliveries = in_thread([this] { deliver_all(); });

        try {
            for (std::uint64_t i = 1; !over_; i++) {
                const Seen seen = seen_now();

                if (i > nr_moves() && seen.delivered > nr_moves() &&
                    (!go_on(seen) || i > 1000 * nr_moves()))
                    break;
                move_once(places_.layouts[i % places_.layouts.size()]);
            }
        } catch (...) {
            over_ = true;
            deliveries.wait();
            throw;
        }
        over_ = true;
        deliveries.get();
        return seen_now();
    }

private:
    Seen seen_now() {
        const std::lock_guard guard(lock_);

        return seen_;
    }

    /* Nobody else moves the buffer, so its placement does not change meanwhile. */
    void keep_placement() {
        const std::uint64_t count = places_.descending ? 1 : buffer_.nr_pages;
        Placement placement;

        for (const testexp_result& answer : importer_.resolve(0, count).value())
            placement.push_back(answer.pfn);

        const std::uint64_t notifies = importer_.audit().value().notifies;
        const std::lock_guard guard(lock_);

        placements_[notifies] = std::move(placement);
    }

    void move_once(const Layout& layout) {
        while (!over_) {
            const Status status = device().move(buffer_.fd.get(), layout, TESTEXP_MOVE_SCATTER);

            if (status) {
                keep_placement();

                const std::lock_guard guard(lock_);

                seen_.moves++;
                return;
            }
            if (status.code() != EBUSY)
                throw std::runtime_error(status.error().what);

            const std::lock_guard guard(lock_);

            seen_.busy++;
        }
    }

    void deliver_all() {
        try {
            while (!over_)
                deliver_once();
        } catch (...) {
            over_ = true;
            throw;
        }
    }

    void deliver_once() {
        const std::vector<testexp_delivered> entries =
            importer_.deliver({.path = path_, .nr_pages = buffer_.nr_pages}, places_.ops).value();
        Seen here{.delivered = 1};

        here.interrupted = entries.front().notifies != entries.back().notifies ? 1 : 0;
        for (std::size_t i = 0; i < entries.size(); i += places_.check_every, here.entries++)
            here.wrong += is_right(entries[i]) ? 0 : 1;

        const std::lock_guard guard(lock_);

        noted_.insert(entries.front().notifies);
        seen_.delivered += here.delivered;
        seen_.entries += here.entries;
        seen_.wrong += here.wrong;
        seen_.interrupted += here.interrupted;
        seen_.placements = noted_.size();
    }

    /*
     * Waits, because the importer may have been notified of a move whose placement is not recorded
     * yet.
     */
    const Placement* placement_of(std::uint32_t notifies) {
        while (true) {
            {
                const std::lock_guard guard(lock_);
                const auto found = placements_.find(notifies);

                if (found != placements_.end())
                    return &found->second;
            }
            if (over_)
                return nullptr;
            sched_yield();
        }
    }

    bool is_right(const testexp_delivered& entry) {
        if (!last_ || last_notifies_ != entry.notifies) {
            last_ = placement_of(entry.notifies);
            last_notifies_ = entry.notifies;
        }
        if (!last_)
            return true; /* the move that ended the storm */
        if (places_.descending)
            return entry.pfn == last_->at(0) - entry.pgoff;
        for (std::uint64_t i = 0; i < entry.nr_pages; i++)
            if (last_->at(entry.pgoff + i) != entry.pfn + i)
                return false;
        return true;
    }

    testexp_path path_;
    Places places_;
    Buffer buffer_;
    Importer importer_;
    std::atomic<bool> over_{false};
    std::mutex lock_;
    Seen seen_;                                     /* protected by the lock */
    std::map<std::uint64_t, Placement> placements_; /* by notifies; protected by the lock */
    std::set<std::uint64_t> noted_;                 /* protected by the lock */
    const Placement* last_ = nullptr;               /* the placement for last_notifies_ */
    std::uint32_t last_notifies_ = 0;
};

/* Makes the calls of a path long, so that many moves come between them. */
Places places_for(const Path& path) {
    if (path.source == Source::phys_list)
        return synthetic_places(TESTEXP_MAX_DELIVERED, 1);
    if (path.source == Source::sg_table)
        return ram_places(path.whole_window ? 1 : 4096);
    return synthetic_places(256, 4096);
}

void finds_what_is_there(const Path& path) {
    require_pfns();
    if (path.source == Source::sg_table)
        require_direct_dma();

    Places places = places_for(path);

    /* After a move all further entries of the list are wrong, so checking every 16th is enough. */
    places.check_every = 16;

    Storm storm(path.id, std::move(places));
    const Seen seen = storm.run([](const Seen& now) { return now.placements < 10; });

    ksft::note(seen.describe());
    ksft::expect(seen.placements >= 10, "moves came between the operations");
    ksft::expect_eq(seen.wrong, 0, "entries of another placement");
    ksft::expect_eq(seen.interrupted, 0, "moves under the lock, or while it is mapped");
}

/* A path that unlocks before it notes what it has resolved. */
void unlocked_finds_what_was_there(const Path& path) {
    require_pfns();
    REQUIRE(!is_debug_kernel(), "too slow to wait here for a move in those few instructions");

    Storm storm(path.id, places_for(path));
    const Seen seen = storm.run([](const Seen& now) { return now.wrong == 0; });

    ksft::note(seen.describe());
    ksft::expect(seen.wrong > 0, "entries of another placement");
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const Path& path : paths) {
        const std::string parameter = std::string("[path=") + path.name + "]";

        if (path.is_baseline() || path.needs_mapping())
            continue;
        if (path.source == Source::get_pfn && !path.one_hold)
            plan.add("P1.delivered_control" + parameter,
                     [&path] { unlocked_finds_what_was_there(path); });
        else
            plan.add("P1.delivered" + parameter, [&path] { finds_what_is_there(path); });
    }
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
