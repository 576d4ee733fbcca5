// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: whenever the kernel fails to allocate, to copy or to find an object in the middle of a
 * call of iommufd that works on a dma-buf, or in VFIO's call that exports one, the call fails, or
 * succeeds without that memory. Nothing is left half-made (pins, attachments, entries in the page
 * table of the IOMMU), and the same call works right afterwards (P8, P23). Only a call that cannot
 * copy its answer has taken effect.
 *
 * Method: fail-nth, as in fail_nth.cpp: the first possible failure of a call happens, then the
 * second, and so on until the call meets no failure any more.
 *
 * Does not see: two failures in one call; entries that stay in the table of a domain without a
 * device; leaks of memory, which selftests/run finds.
 */
#include <functional>
#include <string>
#include <vector>

#include <fcntl.h>

#include "call.hpp"
#include "dma_device.hpp"
#include "fault_injection.hpp"
#include "iommu_leaves.hpp"
#include "iommu_table.hpp"
#include "lifetime.hpp"
#include "vfio_uapi.hpp"

using namespace testexp;

namespace {

/* No call here has so many points. A call that reaches this number makes no progress. */
constexpr unsigned int max_points = 2000;

/*
 * iommufd maps pages of one cache mode together, and pages of another cache mode after them. The
 * second part has a page of the IOMMU's table for itself. An unmap frees this page, so each map
 * allocates the page again, and can fail there when the first part is mapped.
 */
constexpr std::uint64_t nr_runs = 12; /* of one page, write-back */
constexpr std::uint64_t pages_of_a_table = 512;
constexpr std::uint64_t bytes_of_a_table = pages_of_a_table * 0x1000;
constexpr std::uint64_t copy_distance = 8 * bytes_of_a_table;

/* No memory is there. The number is odd, so that the pages cannot have one large leaf. */
constexpr std::uint64_t uncached_pfn = (std::uint64_t{5} << 18) + 1;

std::uint64_t base() {
    return DmaDevice::tested.first + bytes_of_a_table - nr_runs * page_bytes();
}

/* What the calls work on. */
struct Scene {
    DmaDevice dma;
    AddressSpace lone = AddressSpace::make(dma.vfio().iommufd()).value(); /* without a domain */
    Buffer buffer = device()
                        .create({.layout = Layout{}
                                               .ram(1, {.repeat = nr_runs})
                                               .synthetic(uncached_pfn, pages_of_a_table,
                                                          {.cache = TESTEXP_CACHE_UC}),
                                 .flags = TESTEXP_CREATE_DYNAMIC | TESTEXP_CREATE_SCATTER})
                        .value();

    int iommufd() const { return dma.vfio().iommufd(); }
    std::uint64_t bytes() const { return (nr_runs + pages_of_a_table) * page_bytes(); }
};

/* What is held of the buffer. */
struct Held {
    std::uint64_t pins;
    std::uint64_t attachments;
    std::uint64_t mapped_bytes; /* in the tested range, for edu */

    bool operator==(const Held&) const = default;
};

Held held_in(const Scene& scene) {
    const testexp_stats stats = device().stats(scene.buffer.fd.get()).value();

    return {stats.pins - stats.unpins, stats.attaches - stats.detaches,
            mapped_bytes(scene.dma.name())};
}

std::string describe(const Held& held) {
    return std::to_string(held.pins) + " pins, " + std::to_string(held.attachments) +
           " attachments, " + std::to_string(held.mapped_bytes) + " bytes mapped";
}

/* --- The calls -------------------------------------------------------------- */

int map_into(const Scene& scene, std::uint32_t space, std::uint64_t iova = base()) {
    auto request = sized<uapi::AddressSpaceMapFile>();

    request.flags = uapi::map_fixed_iova | uapi::map_readable | uapi::map_writeable;
    request.ioas_id = space;
    request.fd = scene.buffer.fd.get();
    request.length = scene.bytes();
    request.iova = iova;
    return errno_of_call(scene.iommufd(), uapi::address_space_map_file, &request);
}

int unmap_from(const Scene& scene, std::uint32_t space, std::uint64_t iova) {
    auto request = sized<uapi::AddressSpaceUnmap>();

    request.ioas_id = space;
    request.iova = iova;
    request.length = scene.bytes();
    return errno_of_call(scene.iommufd(), uapi::address_space_unmap, &request);
}

int copy(const Scene& scene) {
    auto request = sized<uapi::AddressSpaceCopy>();

    request.flags = uapi::map_fixed_iova | uapi::map_readable | uapi::map_writeable;
    request.dst_ioas_id = scene.dma.space().id();
    request.src_ioas_id = scene.lone.id();
    request.length = scene.bytes();
    request.dst_iova = base() + copy_distance;
    request.src_iova = base();
    return errno_of_call(scene.iommufd(), uapi::address_space_copy, &request);
}

/* A domain of the device for this address space, filled when it is made. */
int make_domain(const Scene& scene, std::uint32_t space, std::uint32_t& made) {
    auto request = sized<uapi::DomainAlloc>();

    request.dev_id = scene.dma.vfio().id_in_iommufd();
    request.pt_id = space;

    const int code = errno_of_call(scene.iommufd(), uapi::domain_alloc, &request);

    made = code == 0 ? request.out_hwpt_id : 0;
    return code;
}

int destroy(const Scene& scene, std::uint32_t id) {
    auto request = sized<uapi::DestroyObject>();

    request.id = id;
    return errno_of_call(scene.iommufd(), uapi::destroy_object, &request);
}

int revoke(const Scene& scene) {
    auto request = sized<testexp_revoke>();

    request.fd = scene.buffer.fd.get();
    return errno_of_call(device().fd(), TESTEXP_IOC_REVOKE, &request);
}

/* Exports two runs of pages of a BAR. */
int export_bar(const Scene& scene, Fd& made) {
    struct {
        uapi::FeatureDmaBuf feature;
        VfioRange ranges[2];
    } request{.feature = {.argsz = sizeof(request),
                          .flags = VFIO_DEVICE_FEATURE_GET | uapi::feature_dma_buf,
                          .region_index = 0,
                          .open_flags = O_RDWR | O_CLOEXEC,
                          .feature_flags = 0,
                          .nr_ranges = 2},
              .ranges = {{2 * page_bytes(), page_bytes()}, {0, page_bytes()}}};

    made.reset(ioctl(scene.dma.vfio().fd(), VFIO_DEVICE_FEATURE, &request));
    return made ? 0 : errno;
}

/*
 * A call that must not allocate in user space, because that allocation could fail instead. The
 * other functions run without failures.
 */
struct Operation {
    const char* name;
    std::function<void(const Scene&)> prepare;
    std::function<int(const Scene&)> call;
    std::function<void(const Scene&)> undo;  /* what a successful call did */
    std::function<void(const Scene&)> clean; /* what prepare() did */
    bool allocates = true;                   /* whether some attempt must give ENOMEM */

    /*
     * The errno for an object that iommufd does not find, besides ENOENT. With CONFIG_IOMMUFD_TEST
     * a failure may be one of these.
     */
    int not_found = ENOENT;

    /* Expects that what a successful call made works. */
    std::function<void(const Scene&)> works = [](const Scene&) {};
};

void expect_done(int code, const char* what) {
    ksft::expect_eq(code, 0, std::string("errno of ") + what);
}

/* The buffer of export_bar(). */
void expect_pfns(const Fd& exported) {
    const Importer importer =
        device().attach(exported.get(), TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_NO_DEVICE).value();

    for (const testexp_result& page : importer.resolve(0, 2).value())
        ksft::expect_eq(page.error, 0, "error of a page of the BAR");
}

constexpr std::uint64_t distances_of_areas[] = {0, copy_distance};

void map_areas(const Scene& scene) {
    for (const std::uint64_t distance : distances_of_areas)
        expect_done(map_into(scene, scene.lone.id(), base() + distance), "MAP_FILE");
}

void unmap_areas(const Scene& scene) {
    for (const std::uint64_t distance : distances_of_areas)
        expect_done(unmap_from(scene, scene.lone.id(), base() + distance), "UNMAP");
}

std::vector<Operation> operations() {
    static std::uint32_t domain = 0;
    static Fd exported;
    const auto nothing = [](const Scene&) {};
    const auto map_lone = [](const Scene& scene) {
        expect_done(map_into(scene, scene.lone.id()), "MAP_FILE");
    };
    const auto unmap_lone = [](const Scene& scene) {
        expect_done(unmap_from(scene, scene.lone.id(), base()), "UNMAP");
    };
    const auto map_edu = [](const Scene& scene) {
        expect_done(map_into(scene, scene.dma.space().id()), "MAP_FILE");
    };
    const auto unmap_edu = [](const Scene& scene) {
        expect_done(unmap_from(scene, scene.dma.space().id(), base()), "UNMAP");
    };
    const auto destroy_domain = [](const Scene& scene) {
        expect_done(destroy(scene, domain), "DESTROY");
    };

    return {
        {"MAP_FILE,domain=none", nothing,
         [](const Scene& scene) { return map_into(scene, scene.lone.id()); }, unmap_lone, nothing},
        {"MAP_FILE,domain=edu", nothing,
         [](const Scene& scene) { return map_into(scene, scene.dma.space().id()); }, unmap_edu,
         nothing},
        /* The second domain may fail when the first domain is filled. */
        {"MAP_FILE,domains=2",
         [](const Scene& scene) {
             expect_done(make_domain(scene, scene.dma.space().id(), domain), "HWPT_ALLOC");
         },
         [](const Scene& scene) { return map_into(scene, scene.dma.space().id()); }, unmap_edu,
         destroy_domain},
        {"COPY,domain=edu", map_lone, copy,
         [](const Scene& scene) {
             expect_done(unmap_from(scene, scene.dma.space().id(), base() + copy_distance),
                         "UNMAP");
         },
         unmap_lone},
        {"HWPT_ALLOC", map_lone,
         [](const Scene& scene) { return make_domain(scene, scene.lone.id(), domain); },
         destroy_domain, unmap_lone, true, EINVAL},
        /*
         * The second area may fail when the first area is in the domain. A revoke afterwards
         * accesses all domains that iommufd remembers.
         */
        {"HWPT_ALLOC,areas=2", map_areas,
         [](const Scene& scene) { return make_domain(scene, scene.lone.id(), domain); },
         [destroy_domain](const Scene& scene) {
             destroy_domain(scene);
             device().revoke(scene.buffer.fd.get()).value();
             device().restore(scene.buffer.fd.get()).value();
             unmap_areas(scene);
             map_areas(scene);
         },
         unmap_areas, true, EINVAL},
        {"UNMAP,domain=edu", map_edu,
         [](const Scene& scene) { return unmap_from(scene, scene.dma.space().id(), base()); },
         map_edu, unmap_edu, false},
        {"REVOKE,domain=edu", map_edu, revoke,
         [unmap_edu, map_edu](const Scene& scene) {
             device().restore(scene.buffer.fd.get()).value();
             unmap_edu(scene);
             map_edu(scene);
         },
         unmap_edu, false},
        {"VFIO_DEVICE_FEATURE_DMA_BUF", nothing,
         [](const Scene& scene) { return export_bar(scene, exported); },
         [](const Scene&) { exported.reset(); }, nothing, true, ENOENT,
         [](const Scene&) { expect_pfns(exported); }},
    };
}

/* --- The sweep -------------------------------------------------------------- */

struct Tally {
    unsigned int out_of_memory = 0;
    unsigned int faults = 0;
    unsigned int not_found = 0;
    unsigned int without = 0; /* calls that succeeded although something failed */
};

class Sweep {
public:
    Sweep(const Operation& operation, const Scene& scene) : operation_(operation), scene_(scene) {}

    /* Repeats the call until it meets no failure. */
    void run(Tally& tally) {
        unsigned int nth = 1;

        operation_.prepare(scene_);
        before_ = held_in(scene_);
        expect_done(operation_.call(scene_), "the call, undisturbed");
        done_ = held_in(scene_);
        done_table_ = table();
        operation_.works(scene_);
        operation_.undo(scene_);
        while (nth <= max_points && failing_call(nth, tally))
            nth++;
        ksft::expect(nth <= max_points, "the call makes progress");
        operation_.clean(scene_);
    }

private:
    /* Returns whether the call met the failure. */
    bool failing_call(unsigned int nth, Tally& tally) {
        const NthFault fault;
        const std::string at = "point " + std::to_string(nth);

        fault.arm(nth);
        const int code = operation_.call(scene_);
        const bool met = fault.disarm();

        if (code == 0) {
            tally.without += met;
            expect_as_undisturbed(at);
        } else {
            judge(code, met, at, tally);
        }
        operation_.undo(scene_);
        expect_held(before_, at + ", undone");
        return met;
    }

    /* Afterwards the call has taken effect. */
    void judge(int code, bool met, const std::string& at, Tally& tally) {
        const bool not_found = code == ENOENT || code == operation_.not_found;

        tally.out_of_memory += code == ENOMEM;
        tally.faults += code == EFAULT;
        tally.not_found += not_found;
        ksft::expect(met && (code == ENOMEM || code == EFAULT || not_found),
                     at + ": errno " + std::to_string(code) + " is one that this call may return");
        if (code == EFAULT && held_in(scene_) == done_ && done_ != before_)
            return;
        expect_held(before_, at + ", errno " + std::to_string(code));
        expect_done(operation_.call(scene_), "the call, tried again");
    }

    /* The call has succeeded, with or without a failure on its way. */
    void expect_as_undisturbed(const std::string& at) {
        expect_held(done_, at + ", done");
        ksft::expect_eq(difference(table(), done_table_), "",
                        at + ": page table of edu, against that of an undisturbed call");
        operation_.works(scene_);
    }

    std::vector<IommuLeaf> table() const { return read_iommu_table(scene_.dma.name()).value(); }

    void expect_held(const Held& held, const std::string& when) {
        ksft::expect_eq(describe(held_in(scene_)), describe(held), when);
    }

    const Operation& operation_;
    const Scene& scene_;
    Held before_{};
    Held done_{};
    std::vector<IommuLeaf> done_table_;
};

void sweep(const Operation& operation, const FaultInjection& injection) {
    require_pfn_importer();
    mount_debugfs();

    const Scene scene;
    const Held idle = held_in(scene);
    Tally tally;

    for (const FaultKind kind : {FaultKind::slab, FaultKind::pages}) {
        injection.select(kind);
        Sweep(operation, scene).run(tally);
        ksft::expect_eq(describe(held_in(scene)), describe(idle), "at the end");
    }
    ksft::note(std::string(operation.name) + ": " + std::to_string(tally.out_of_memory) +
               " ENOMEM, " + std::to_string(tally.faults) + " EFAULT, " +
               std::to_string(tally.not_found) + " not found, " + std::to_string(tally.without) +
               " done without");
    if (operation.allocates)
        ksft::expect(tally.out_of_memory > 0, "a failed allocation was seen");
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    (void)has_pfn_importer(); /* this also loads the drivers, once for all cases */
    try {
        static const FaultInjection injection;

        for (const Operation& operation : operations())
            plan.add(std::string("P8.iommufd_fail_nth[call=") + operation.name + "]",
                     [operation] { sweep(operation, injection); });
    } catch (const ksft::Skip& none) {
        plan.add("P8.iommufd_fail_nth", [none] { throw none; });
    }
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
