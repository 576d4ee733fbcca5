/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The whole way through the kernel, from CREATE to the answers, as something that
 * the oracles can be compared with: see agreement.hpp.
 */
#pragma once

#include <cstdint>
#include <vector>

#include "layout.hpp"
#include "testexp.hpp"

namespace testexp {

/* How an importer has to attach to a buffer of that layout, as flags of ATTACH. */
std::uint32_t attach_flags_for(const Layout& layout);

/**
 * @layout as this kernel lets it be attached to: a stock one has no importer that
 * may reach another device's pages and does not map them at once, so there no page has
 * TESTEXP_EXTENT_P2P.
 */
Layout attachable(Layout layout);

/* Answers for these pages, which are in order; neighbours are asked for in one call. */
std::vector<testexp_result> ask(const Importer& importer, const std::vector<std::uint64_t>& pgoffs,
                                std::uint32_t resolve_flags = 0);

/* As a testexp::Lookup: makes the buffer, attaches, asks, and undoes all of it. */
std::vector<testexp_result> ask_kernel(const Layout& layout,
                                       const std::vector<std::uint64_t>& pgoffs);

} // namespace testexp
