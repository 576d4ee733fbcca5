/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Exporters of the kernel itself. Some kernels have patches that give these exporters get_pfn, so
 * tests ask here which answers are right.
 */
#pragma once

#include <string>

#include "testexp.hpp"

namespace testexp {

/* Whether /proc/kallsyms has this function or variable of the kernel or of a loaded module. */
bool kernel_has_symbol(const std::string& name);

/*
 * Reads the symbols once for all cases, when a program makes its plan: each case is a child of the
 * program, and inherits the symbols. A failure shows in the cases that need symbols.
 */
void share_symbols();

struct KernelExporter {
    const char* name; /* as the names of cases have it */
    Fd (*make)();     /* makes a dma-buf of one page, and skips if there is no such exporter */
    const char* get_pfn_function;

    /*
     * Whether this kernel's exporter has get_pfn and get_pfn_attrs. The answer comes from
     * /proc/kallsyms: an answer from get_pfn would hide that get_pfn is broken.
     */
    bool has_get_pfn() const { return kernel_has_symbol(get_pfn_function); }
};

extern const KernelExporter system_heap;
extern const KernelExporter udmabuf;

/* A DRM driver without a device. No kernel gives DRM drivers get_pfn yet. */
extern const KernelExporter vgem;

} // namespace testexp
