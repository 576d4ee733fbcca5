/* SPDX-License-Identifier: GPL-2.0 */
/* QEMU's PCI device ivshmem, whose BAR 2 is plain memory. */
#pragma once

#include <cstdint>

#include "pci.hpp"

namespace testexp {

inline constexpr PciId ivshmem_id = {0x1af4, 0x1110};

/* The number of the BAR, and of VFIO's region for this BAR. */
inline constexpr std::uint32_t ivshmem_bar = 2;

} // namespace testexp
