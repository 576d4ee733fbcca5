/* SPDX-License-Identifier: GPL-2.0 */
/* The buffer mapped for DMA, by an importer that has a device. */
#pragma once

#include <vector>

#include "subject.hpp"

namespace check {

/*
 * An importer that can map: with a device, and with what the exporter may demand. Skips where no
 * such importer can attach.
 */
testexp::Importer attach_for_map(const Subject& subject);

/* Maps and unmaps the buffer. Skips where the exporter does not map it for this device. */
std::vector<testexp_map_entry> segments_or_skip(const testexp::Importer& importer);

/* Skips where HeldMapping cannot hold a mapping of this importer. */
void require_holdable(const testexp::Importer& importer);

} // namespace check
