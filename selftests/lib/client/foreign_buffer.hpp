/* SPDX-License-Identifier: GPL-2.0 */
/*
 * dma-bufs of other exporters: how a user names one, and how one is made. Tests and benchmarks ask
 * the module's importer for the PFNs of such a buffer.
 */
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "drm_buffer.hpp"
#include "sent_buffer.hpp"
#include "testexp.hpp"
#include "vfio_device.hpp"

namespace testexp {

/* Pages of a memfd: "64M", or "64M,huge" for a memfd of huge pages. */
struct UdmabufSpec {
    std::uint64_t size_bytes = 0;
    bool huge = false;

    bool operator==(const UdmabufSpec&) const = default;
};

/* Memory of a heap in /dev/dma_heap: "system,64M". */
struct HeapSpec {
    std::string heap;
    std::uint64_t size_bytes = 0;

    bool operator==(const HeapSpec&) const = default;
};

/*
 * Ranges of a BAR, in the order of the buffer's pages: "0000:00:10.0,0,0+1M,2M+64K". Ranges may
 * overlap, because VFIO takes overlapping ranges. "0+4K*300/8K" is 300 ranges: 0+4K, 8K+4K, ...
 */
struct VfioSpec {
    std::string device; /* PCI address; vfio-pci must be its driver */
    std::uint32_t region = 0;
    std::vector<VfioRange> ranges;

    bool operator==(const VfioSpec&) const = default;
    std::uint64_t size_bytes() const;

    /* The offset in the region of the buffer's page @pgoff; nothing behind the end of the buffer.
     */
    std::optional<std::uint64_t> offset_of(std::uint64_t pgoff) const;
};

/* A buffer that a command sends (sent_buffer.hpp), with its size: "64M,./my-exporter --fast". */
struct FromSpec {
    std::uint64_t size_bytes = 0;
    std::string command;

    bool operator==(const FromSpec&) const = default;
};

/* The error of each is EINVAL, and its text is one line that shows the right form. */
Result<UdmabufSpec> parse_udmabuf(std::string_view text);
Result<HeapSpec> parse_heap(std::string_view text);
Result<VfioSpec> parse_vfio(std::string_view text);
Result<FromSpec> parse_from(std::string_view text);

/* A number of bytes: decimal or 0x..., with K, M or G for powers of 1024. */
Result<std::uint64_t> parse_bytes(std::string_view text);

using ForeignSpec = std::variant<UdmabufSpec, HeapSpec, VfioSpec, DrmSpec, FromSpec>;

/*
 * Each text names the kind of exporter first: "udmabuf:64M", "heap:system,64M",
 * "vfio:0000:00:10.0,0,0+1M", "drm:vgem,2M", "from:64M,./my-exporter".
 */
Result<ForeignSpec> parse_foreign(std::string_view text);

std::uint64_t size_bytes_of(const ForeignSpec& spec);

/*
 * The exporter without the size: "udmabuf", "udmabuf,huge", "heap:system", "vfio:0000:00:10.0,0",
 * "drm:vgem". "from:my-exporter" has the file name of the command.
 */
std::string exporter_of(const ForeignSpec& spec);

/* A buffer, and what it depends on. */
struct ForeignBuffer {
    Fd fd;
    std::uint64_t nr_pages = 0;
    Fd memory;                        /* of udmabuf: the memfd */
    std::optional<VfioDevice> device; /* of VFIO. Closing the device revokes the buffer */
    std::optional<SentBuffer> sender; /* the command that sent the buffer, which is still running */
};

/**
 * Each error's text is one line that says what failed, and what to do where something is missing.
 * Its code is EOPNOTSUPP where this machine lacks the exporter, the device or the memory.
 */
Result<ForeignBuffer> make_udmabuf(const UdmabufSpec& spec);

/* The memfd for such a buffer. The memfd cannot shrink, as udmabuf requires. */
Result<Fd> make_udmabuf_memory(const UdmabufSpec& spec);
Result<ForeignBuffer> make_heap(const HeapSpec& spec);
Result<ForeignBuffer> make_vfio(const VfioSpec& spec);
Result<ForeignBuffer> make_drm(const DrmSpec& spec);
Result<ForeignBuffer> make_from(const FromSpec& spec); /* EINVAL where the size is another */
Result<ForeignBuffer> make_foreign(const ForeignSpec& spec);

} // namespace testexp
