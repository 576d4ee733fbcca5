/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The whole way through the kernel, from CREATE to the answers, as a lookup that the oracles can be
 * compared with: see agreement.hpp.
 */
#pragma once

#include <cstdint>
#include <vector>

#include "layout.hpp"
#include "testexp.hpp"

namespace testexp {

/* The flags of ATTACH that an importer needs for a buffer of this layout. */
std::uint32_t attach_flags_for(const Layout& layout);

/**
 * @layout without TESTEXP_EXTENT_P2P, if the kernel has no importer for such pages. On a stock
 * kernel, an importer that may reach another device's pages maps them at attach.
 */
Layout attachable(Layout layout);

/*
 * Answers for @pgoffs, which are in ascending order. Consecutive pages are asked for in one call.
 */
std::vector<testexp_result> ask(const Importer& importer, const std::vector<std::uint64_t>& pgoffs,
                                std::uint32_t resolve_flags = 0);

/* A testexp::Lookup: makes the buffer, attaches, asks, and closes both. */
std::vector<testexp_result> ask_kernel(const Layout& layout,
                                       const std::vector<std::uint64_t>& pgoffs);

} // namespace testexp
