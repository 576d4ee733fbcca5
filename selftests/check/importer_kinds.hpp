/* SPDX-License-Identifier: GPL-2.0 */
/* Every kind of importer, and what the contract says of each with an exporter of each class. */
#pragma once

#include <cstdint>
#include <span>

#include "source.hpp"

namespace check {

struct ImporterKind {
    const char* name;
    std::uint32_t flags; /* TESTEXP_ATTACH_* */
    bool has_device;
    bool has_callback; /* invalidate_mappings (before Linux 7.1 move_notify) */
    bool allows_p2p;
    bool pins;
};

std::span<const ImporterKind> importer_kinds();

/* What decides how an exporter treats importers. */
struct ExporterTraits {
    bool has_get_pfn = false;
    bool needs_p2p = false; /* the pages are another device's */
    ExporterClass kind;
};

/* Results: 0 or a positive errno. get_pfn means nothing where attach fails. */
struct Outcome {
    int attach = 0;
    int get_pfn = 0;
};

/* Sections 1 and 1b of the contract. @features: TESTEXP_FEAT_* of the kernel. */
Outcome expected_outcome(const ImporterKind& kind, const ExporterTraits& exporter,
                         std::uint32_t features);

} // namespace check
