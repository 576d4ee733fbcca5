/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Buffers for tests of importers. The pages of each are known without get_pfn, see
 * reference_buffers.hpp and make_subject() in fixture.hpp.
 */
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "iommufd_importer.hpp"
#include "reference_buffers.hpp"
#include "testexp.hpp"

namespace testexp {

inline constexpr std::uint64_t pages_of_1g = std::uint64_t{1} << 18;
inline constexpr std::uint64_t pages_of_2m = std::uint64_t{1} << 9;

/* A buffer whose pages are known. @keeper owns what the buffer depends on. */
struct KnownBuffer {
    std::shared_ptr<void> keeper;
    Fd fd;
    std::vector<Page> pages;
    std::function<Mapping()> map; /* for the processor; empty where there is no memory */

    std::uint64_t bytes() const { return bytes_of(pages.size()); }
};

struct NamedLayout {
    const char* name;
    Layout layout;
    std::uint32_t flags = 0;
};

/* The layouts of the test exporter that an importer has to take: all pages have a PFN. */
std::vector<NamedLayout> importable_layouts();

KnownBuffer known_buffer(ReferenceBuffer buffer);

/* Skips where the module cannot make the buffer. */
KnownBuffer make_layout(const NamedLayout& wanted);

/* Ranges of the BAR of an ivshmem that has no IOMMU. */
KnownBuffer make_ranges_without_iommu(const VfioDevice& device, const std::vector<Piece>& pieces);

/* How a case makes its buffer. @edu: VFIO devices are opened beside this device. */
struct BufferMaker {
    std::string name;
    std::function<KnownBuffer(const EduBehindIommu& edu)> make;
};

/* Buffers of VFIO, udmabuf, the system heap and the test exporter. */
std::vector<BufferMaker> buffer_makers();

} // namespace testexp
