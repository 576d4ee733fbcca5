// SPDX-License-Identifier: GPL-2.0
#include "kernel_exporters.hpp"

#include <fstream>
#include <iterator>

#include "child.hpp"
#include "drm_buffer.hpp"
#include "fixture.hpp"

namespace testexp {

namespace {

/* Lines such as "ffffffff81000000 t name" or "ffffffffc0000000 t name\t[module]". */
std::string read_symbols() {
    std::ifstream file("/proc/kallsyms");
    std::string symbols{std::istreambuf_iterator<char>(file), {}};

    if (symbols.find(" dma_buf_export\n") == std::string::npos)
        ksft::skip("/proc/kallsyms does not name the kernel's functions");
    return symbols;
}

/* When this fails, the kernel has no such module, and the caller finds no card. */
void load_module(const char* name) {
    Result<Child> modprobe = Child::execute({"modprobe", "-q", name});

    if (modprobe)
        (void)modprobe.value().wait();
}

Fd vgem_buffer() {
    const DrmSpec spec{"vgem", page_bytes()};
    Result<Fd> buffer = make_drm_buffer(spec);

    if (buffer.code() == EOPNOTSUPP) {
        load_module("vgem");
        buffer = make_drm_buffer(spec);
    }
    if (buffer.code() == EOPNOTSUPP)
        ksft::skip("no such exporter here: " + buffer.error().what);
    return std::move(buffer).value();
}

} // namespace

bool kernel_has_symbol(const std::string& name) {
    static const std::string symbols = read_symbols();

    return symbols.find(' ' + name + '\n') != std::string::npos ||
           symbols.find(' ' + name + '\t') != std::string::npos;
}

void share_symbols() {
    try {
        (void)kernel_has_symbol("dma_buf_export");
    } catch (const ksft::Skip&) {
        return; /* a case that needs symbols tries again */
    }
}

const KernelExporter system_heap{"system_heap", system_heap_buffer, "system_heap_get_pfn"};
const KernelExporter udmabuf{"udmabuf", udmabuf_buffer, "get_pfn_udmabuf"};
const KernelExporter vgem{"vgem", vgem_buffer, "drm_gem_dmabuf_get_pfn"};

} // namespace testexp
