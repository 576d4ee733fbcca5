/* SPDX-License-Identifier: GPL-2.0 */
/* What the test programs have in common: the device, the truth, the comparison. */
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "ksft.hpp"
#include "layout.hpp"
#include "oracle.hpp"
#include "pci.hpp"
#include "testexp.hpp"
#include "truth.hpp"

namespace testexp {

/*
 * The module's device; opened at the first call, which skips when it cannot be.
 * Where the module is built beside the program, as kselftest does, and not loaded,
 * it is loaded for as long as the program runs. So the first call belongs in the
 * plan: a case is a process of its own.
 */
const Device& device();

/* TESTEXP_QUICK is set: smaller sizes and counts, but nothing left out. */
bool quick();

/* KASAN and lockdep make everything a hundred times slower. */
bool is_debug_kernel();

/* The number in this variable, if it is set. Fails when it is not a number. */
std::optional<std::uint64_t> number_from_environment(const char* name);

/*
 * The seed of all random numbers: the variable TESTEXP_SEED. With TESTEXP_SEED=random the seed is
 * random as well. Without the variable the seed is always the same, so that tests which pass here
 * also pass elsewhere.
 */
std::uint64_t seed();

/* The BAR that MMIO extents are in, as sysfs has it. Skips when the module has none. */
PciBar mmio_bar();

/* What a DMA address of the importers' device is: only a direct one is a physical address. */
enum class DmaKind { direct, iommu, swiotlb };
DmaKind dma_kind();

/* The two ways to ask, as flags of RESOLVE and as they are called in case names. */
struct Form {
    const char* name;
    std::uint32_t flags;
};

inline constexpr Form forms[] = {{"unlocked", 0}, {"locked", TESTEXP_RESOLVE_LOCKED}};

/* A buffer, its truth, and what was asked for; @layout describes it in messages. */
struct Subject {
    Layout layout;
    Buffer buffer;
    Oracle oracle;
};

/**
 * Creates the buffer and learns where its pages are from the page table of a mapping of
 * it: a witness that get_pfn has no part in. Where MMIO is, sysfs says; all else is as
 * @spec has it. Throws when it cannot.
 *
 * The page table is read by follow_pfnmap_start(). Kernels before 6.12 have only
 * /proc/self/pagemap, and there the buffer is made with witness_flags().
 */
Subject make_subject(const CreateSpec& spec);

/* The same for a buffer of this layout that is there already, made with witness_flags(). */
Subject make_subject(const Layout& layout, Buffer buffer);

/* TESTEXP_CREATE_SHOW_PAGES where nothing else shows the PFNs of a mapping, else 0. */
std::uint32_t witness_flags(const Layout& layout);

/* The PFNs of all pages of a mapping, which are RAM, by the same witness. */
std::vector<std::uint64_t> pfns_behind(const Mapping& mapping);

/* The same from /proc/self/pagemap; of a buffer with TESTEXP_CREATE_SHOW_PAGES. */
std::vector<std::uint64_t> pfns_in_pagemap(const Mapping& mapping);

/* Asks for every page, and two behind the end, and compares with the oracle. */
void expect_truth(const Importer& importer, const Subject& subject, const Form& form);

/* Skips a row of the truth table that this module cannot make. */
void require_possible(const truth::Row& row);

/* That one answer is the errno (positive), with nothing written. */
void expect_refused(const testexp_result& result, int code, const std::string& what);

/* Runs @body and expects that the kernel logged this many WARNINGs meanwhile. */
void expect_warnings(unsigned int count, const std::function<void()>& body);

/* A dma-buf of another exporter, of at least one page; skips when there is none. */
Fd system_heap_buffer();
Fd udmabuf_buffer();

/**
 * Makes sure that debugfs is mounted on /sys/kernel/debug: where nobody else sees
 * it, if it is not mounted for everybody already. Skips when it cannot be.
 */
void mount_debugfs();

} // namespace testexp
