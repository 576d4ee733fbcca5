/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A dma-buf to check, and what is known about the dma-buf. A source knows nothing of the layout
 * that get_pfn reports. A member that the source does not know stays empty, and the laws that need
 * this member are skipped.
 *
 * To add a source: write source_NAME.cpp with one SourceKind, and name the SourceKind in
 * source_kinds() of sources.cpp and below.
 */
#pragma once

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "testexp.hpp"

namespace check {

/* PFNs of the buffer's pages that do not come from the exporter's get_pfn. */
struct Reference {
    std::string name; /* for messages: "the pagemap of the memfd" */

    /* The PFN of this page; nothing where this reference does not know the page. */
    std::function<std::optional<std::uint64_t>(std::uint64_t pgoff)> pfn;
};

/* A way to take the pages away from importers, and to give pages back. Both throw on failure. */
struct Invalidation {
    std::string name; /* for messages: "REVOKE", "reset of the device" */
    std::function<void()> take;
    std::function<void()> give_back; /* empty where nothing gives the pages back */

    /*
     * Whether take() gives the buffer pages at once: other pages, or the same pages after a reset.
     * Else get_pfn returns -ENODEV.
     */
    bool is_move = false;

    /* Whether give_back() calls the importers' callback as well. */
    bool tells_of_return = false;

    /*
     * How often take() calls the callback of each importer, where the pages were not taken yet. The
     * second take() does not call it, and give_back() calls it as @tells_of_return says: once or
     * never. Nothing where the source does not know the exporter that well.
     */
    std::optional<std::uint64_t> callbacks = std::nullopt;
};

/*
 * Another buffer of the same device, with the same pages in another order. What takes the pages
 * away from one of both takes them away from the other, too.
 */
struct Sibling {
    testexp::Fd buffer;
    Reference reference; /* of the sibling's pages */
};

/* Something that takes no page away, so that importers must not be told. */
struct Harmless {
    std::string name; /* for messages */
    std::function<void()> act;
};

/* What an exporter can do to its pages (contract, section 1b). A fixed exporter does neither. */
struct ExporterClass {
    bool movable = false;
    bool revocable = false;
};

struct Source {
    /* What must live longer than the buffer: a memfd, an open device, a process. */
    std::vector<std::shared_ptr<const void>> keeps;

    std::string name; /* for messages: "udmabuf 2M" */
    testexp::Fd buffer;

    std::vector<Reference> references;

    /*
     * Reads the first of these references again, where memory can move. The PFNs must be the same,
     * because the exporter has to keep the pages where they are.
     */
    std::function<Reference()> read_reference;

    /* The PFNs that iommufd tells. iommufd tells PFNs only of a device without an IOMMU. */
    std::optional<Reference> iommufd;

    std::vector<Invalidation> invalidations;
    std::optional<ExporterClass> exporter_class;

    /* Whether importers must allow peer-to-peer. Nothing where only the exporter shows this. */
    std::optional<bool> needs_p2p;

    /* Whether max_order is the largest order that is right, for each page. */
    bool is_exact = false;

    std::optional<Sibling> sibling;
    std::optional<Harmless> harmless;

    /*
     * Makes another such buffer while this buffer exists. Empty where the source has only one, or
     * where its kind says that make() does this.
     */
    std::function<Source()> make_another;

    /* Whether make_another() starts a process, or does something else that takes long. */
    bool is_slow_to_make = false;

    /* Asks the exporter for a buffer that it must refuse. Throws where the exporter makes one. */
    std::function<void()> make_refused;

    /* Whether get_pfn knows each segment of map_dma_buf as one block, where DMA is direct. */
    bool segments_are_blocks = false;

    /* Whether all pages are peer-to-peer memory of a PCI device, so attributes have a provider. */
    bool has_pci_provider = false;

    /* Whether no page is in the buffer twice. */
    bool has_distinct_pages = false;

    /* Whether the pages are memory of the kernel or of a device, so that /proc/iomem has them. */
    bool has_real_pages = true;

    /* Maps the whole buffer for the CPU. Empty where the mmap of the dma-buf does this. */
    std::function<testexp::Result<testexp::Mapping>()> map;

    /* Whether a test may write to the pages through mmap: not to registers of a device. */
    bool may_write = false;

    /* Whether TESTEXP_IOC_STATS knows the buffer. */
    bool is_testexp = false;

    /*
     * Expects that nothing is left of the buffer, once the last descriptor of the buffer is closed.
     * Empty where the source cannot see this.
     */
    std::function<void()> expect_released;
};

/* Options for sources, beside the argument of the source. */
struct Settings {
    std::chrono::seconds from_timeout{60};
    bool from_again = false; /* the command of --from may be started again */
};

struct SourceKind {
    const char* option;   /* "udmabuf" for --udmabuf */
    const char* argument; /* for --help: "SIZE[,huge]" */
    const char* help;     /* one line */

    /* Throws std::runtime_error with one line: what is wrong, and what to do. */
    Source (*make)(const std::string& argument, const Settings& settings);

    /* Whether make() makes another buffer each time, while the buffers before still exist. */
    bool makes_many = false;
};

extern const SourceKind udmabuf_source;
extern const SourceKind heap_source;
extern const SourceKind testexp_source;
extern const SourceKind vfio_source;
extern const SourceKind drm_source;
extern const SourceKind from_source;
extern const SourceKind fd_source;

/* In the order of --help. */
std::span<const SourceKind* const> source_kinds();

/*
 * The value. Else throws std::runtime_error with one line for the user, which begins with
 * @option: "--heap: ..." for a failure, and "--heap needs ..." for what this machine lacks.
 */
template <typename T> T value_for(const std::string& option, testexp::Result<T> result) {
    if (result)
        return std::move(result).value();
    throw std::runtime_error("--" + option + (result.code() == EOPNOTSUPP ? " needs " : ": ") +
                             result.error().what);
}

} // namespace check
