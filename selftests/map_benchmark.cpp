// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: inside sgt_map, mapping and unmapping cost as much as the kernel's own benchmark of them,
 * dma_map_benchmark, says for as many pages on the same device.
 *
 * Method: instructions, behind an IOMMU, where each page of a mapping costs. Both map one
 * contiguous piece. The test compares what additional pages cost, because this difference consists
 * of the mapping alone: sgt_map's table, lock and walk do not depend on the length of the one
 * segment. What sgt_map costs apart from the mapping has an upper bound.
 *
 * Does not see: a direct mapping, which takes less than the benchmark's unit of 100 ns; segments
 * after the first, because the benchmark maps no tables.
 */
#include <cmath>
#include <fstream>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "environment.hpp"
#include "fixture.hpp"

using namespace testexp;

namespace {

/* A copy of the struct in include/linux/map_benchmark.h, which is not installed for user space. */
struct map_benchmark {
    std::uint64_t avg_map_100ns;
    std::uint64_t map_stddev;
    std::uint64_t avg_unmap_100ns;
    std::uint64_t unmap_stddev;
    std::uint32_t threads;
    std::uint32_t seconds;
    std::int32_t node;
    std::uint32_t dma_bits;
    std::uint32_t dma_dir;
    std::uint32_t dma_trans_ns;
    std::uint32_t granule; /* pages of a mapping */
    std::uint8_t expansion[76];
};
constexpr unsigned long DMA_MAP_BENCHMARK = _IOWR('d', 1, struct map_benchmark);

constexpr std::uint32_t few_pages = 64;

/* Less than 2 MiB, so that the IOMMU's page table has an entry for each page. */
constexpr std::uint32_t many_pages[] = {256, 511};

/*
 * The benchmark rounds each value and then the mean down to its unit. So a mean is too low by up to
 * two units, and a difference of two means is off by as much in either direction. Here are two
 * differences, of map and of unmap.
 */
constexpr double unit = 100;
constexpr double cut_off = 4 * unit;

/* Both means contain timer ticks, and their number is random. */
constexpr double part_of_chance = 0.01;

/* Lock, table and walk. With a direct mapping all of sgt_map takes 1,400 for one extent. */
constexpr double most_beside = 2000;

const std::string driver = "/sys/bus/pci/drivers/dma_map_benchmark";

void write_attribute(const std::string& path, const std::string& value) {
    if (!(std::ofstream(path) << value << std::flush))
        throw std::runtime_error("cannot write " + value + " to " + path);
}

/* The importers' device, bound to the kernel's benchmark. */
class KernelBenchmark {
public:
    KernelBenchmark() {
        mount_debugfs();
        write_attribute(override_, "dma_map_benchmark");
        write_attribute(driver + "/bind", device_);
        fd_.reset(open("/sys/kernel/debug/dma_map_benchmark", O_RDWR | O_CLOEXEC));
        if (!fd_)
            throw std::runtime_error("dma_map_benchmark did not take " + device_);
    }
    KernelBenchmark(const KernelBenchmark&) = delete;
    KernelBenchmark& operator=(const KernelBenchmark&) = delete;
    ~KernelBenchmark() {
        fd_.reset();
        std::ofstream(driver + "/unbind") << device_;
        std::ofstream(override_) << '\n';
    }

    /* Instructions to map and unmap @nr_pages once, according to the kernel's benchmark. */
    double cost_of(std::uint32_t nr_pages) const {
        map_benchmark run = {};

        run.threads = 1;
        run.seconds = 1;
        run.node = -1; /* any node */
        run.dma_bits = 64;
        run.granule = nr_pages;
        if (ioctl(fd_.get(), DMA_MAP_BENCHMARK, &run) < 0)
            throw std::runtime_error(errno_error("DMA_MAP_BENCHMARK").what);
        return unit * static_cast<double>(run.avg_map_100ns + run.avg_unmap_100ns);
    }

private:
    std::string device_ = device().info().importer_device;
    std::string override_ = "/sys/bus/pci/devices/" + device_ + "/driver_override";
    Fd fd_;
};

/* The same for sgt_map. */
double sgt_map_cost_of(std::uint32_t nr_pages) {
    const Buffer buffer =
        device().create({.layout = Layout{}.ram(nr_pages, {.align_order = 9})}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();
    const testexp_measure totals = importer
                                       .measure({.path = TESTEXP_PATH_SGT_MAP,
                                                 .nr_pages = nr_pages,
                                                 .ops_per_batch = 10,
                                                 .batches = 1000,
                                                 .warmup_batches = 100})
                                       .value()
                                       .totals;

    return static_cast<double>(totals.ticks) / static_cast<double>(totals.ops);
}

std::string rounded(double instructions) {
    return std::to_string(std::llround(instructions));
}

void require_all() {
    REQUIRE(read_environment(device().info()).clock == "icount",
            "only counted instructions repeat: scripts/vm --icount");
    REQUIRE(dma_kind() == DmaKind::iommu,
            "a direct mapping is too cheap: scripts/vm --iommu, TESTEXP_IMPORTER_DEVICE");
    REQUIRE(access(driver.c_str(), F_OK) == 0, "CONFIG_DMA_MAP_BENCHMARK is off");
}

void costs_as_much(std::uint32_t nr_pages) {
    require_all();

    const KernelBenchmark benchmark;
    const double theirs_few = benchmark.cost_of(few_pages);
    const double theirs = benchmark.cost_of(nr_pages);
    const double ours_few = sgt_map_cost_of(few_pages);
    const double ours = sgt_map_cost_of(nr_pages);
    const double more_of_theirs = theirs - theirs_few;
    const double more_of_ours = ours - ours_few;

    ksft::note(std::to_string(nr_pages) + " pages: " + rounded(ours) +
               " instructions in sgt_map, " + rounded(theirs) +
               " in dma_map_benchmark; more than " + std::to_string(few_pages) + " pages by " +
               rounded(more_of_ours) + " and " + rounded(more_of_theirs));
    ksft::expect(std::abs(more_of_ours - more_of_theirs) <=
                     cut_off + part_of_chance * more_of_theirs,
                 "additional pages cost the same");
    ksft::expect(ours > theirs && ours - theirs < most_beside,
                 "sgt_map costs little apart from the mapping");
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const std::uint32_t nr_pages : many_pages)
        plan.add("cross.map_benchmark[pages=" + std::to_string(nr_pages) + "]",
                 [=] { costs_as_much(nr_pages); });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
