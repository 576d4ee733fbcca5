/* SPDX-License-Identifier: GPL-2.0 */
/* What all test programs share: the device, reference values, and comparisons with them. */
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "ksft.hpp"
#include "layout.hpp"
#include "oracle.hpp"
#include "paths.hpp"
#include "pci.hpp"
#include "testexp.hpp"

namespace testexp::truth {
struct Row;
}

namespace testexp {

/*
 * The module's device. The first call opens it, and skips when that fails. If the module is not
 * loaded but is built beside the program, as kselftest does, it is loaded for as long as the
 * program runs. So the first call belongs in the plan, because each case is a process of its own.
 */
const Device& device();

/* Whether TESTEXP_QUICK is set: sizes and counts are smaller, but nothing is left out. */
bool quick();

/* Whether KASAN or lockdep is on, which make everything a hundred times slower. */
bool is_debug_kernel();

/* The number in this environment variable, if the variable is set. Fails if it is not a number. */
std::optional<std::uint64_t> number_from_environment(const char* name);

/*
 * The seed of all random numbers: the environment variable TESTEXP_SEED. With TESTEXP_SEED=random
 * the seed is random as well. Without the variable the seed is always the same, so that tests that
 * pass here also pass elsewhere.
 */
std::uint64_t seed();

/* The BAR that contains MMIO extents. Skips if the module has none. */
PciBar mmio_bar();

/* What kind of DMA addresses the importers' device has. Only a direct one is a physical address. */
enum class DmaKind { direct, iommu, swiotlb };
DmaKind dma_kind();

/* Skips unless a DMA address of the importers' device is a physical address. */
void require_direct_dma();

/* Skips when this kernel cannot take the path. */
void require_path(const Path& path);

/* MeasureSpec::address for a path: the mapping's beginning if the path needs one, else 0. */
std::uint64_t address_for(const Path& path, const Mapping& mapping);

/* The two forms of get_pfn: flags of RESOLVE, and the names that case names use. */
struct Form {
    const char* name;
    std::uint32_t flags;
};

inline constexpr Form forms[] = {{"unlocked", 0}, {"locked", TESTEXP_RESOLVE_LOCKED}};

/* A buffer with its oracle and its layout. Messages show the layout. */
struct Subject {
    Layout layout;
    Buffer buffer;
    Oracle oracle;
};

/**
 * Creates the buffer and makes an oracle for it. The PFNs of RAM come from the page table of a
 * mapping, which does not depend on get_pfn; those of MMIO come from sysfs, and everything else
 * from @spec. Throws on failure, also where RAM is not aligned as @spec asks.
 *
 * follow_pfnmap_start() reads the page table. Kernels before 6.12 have only /proc/self/pagemap, so
 * there the buffer is made with reference_flags().
 */
Subject make_subject(const CreateSpec& spec);

/* The same for an existing buffer of this layout, which was made with reference_flags(). */
Subject make_subject(const Layout& layout, Buffer buffer);

/* TESTEXP_CREATE_SHOW_PAGES if pagemap is the only way to read the PFNs of a mapping, else 0. */
std::uint32_t reference_flags(const Layout& layout);

/* The PFNs of all pages of a mapping of RAM, read in the same way. */
std::vector<std::uint64_t> pfns_behind(const Mapping& mapping);

/* The same from /proc/self/pagemap, for a buffer with TESTEXP_CREATE_SHOW_PAGES. */
std::vector<std::uint64_t> pfns_in_pagemap(const Mapping& mapping);

/* Resolves every page, and two behind the end, and compares with the oracle. */
void expect_truth(const Importer& importer, const Subject& subject, const Form& form);

/* Skips a row of the truth table that this module cannot make. */
void require_possible(const truth::Row& row);

/* Expects that the answer is this errno (positive) and that nothing else was written. */
void expect_refused(const testexp_result& result, int code, const std::string& what);

/* The signal that ends a process which reads the byte at @address, or 0. */
int signal_of_reading(const std::byte* address);

/* Runs @body and expects that the kernel logs @count WARNINGs meanwhile. */
void expect_warnings(unsigned int count, const std::function<void()>& body);

/* A dma-buf of another exporter with at least one page. Skips if there is no such exporter. */
Fd system_heap_buffer();
Fd udmabuf_buffer();

/**
 * Makes sure that debugfs is mounted on /sys/kernel/debug, and tracefs on /sys/kernel/tracing. If
 * it is not, mounts it for this process alone. Skips if that fails.
 */
void mount_debugfs();
void mount_tracefs();

} // namespace testexp
