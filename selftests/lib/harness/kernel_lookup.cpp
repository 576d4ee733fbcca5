// SPDX-License-Identifier: GPL-2.0
#include "kernel_lookup.hpp"

#include <algorithm>

#include "fixture.hpp"

namespace testexp {

namespace {

bool needs_peer_to_peer(const testexp_extent& extent) {
    return extent.type == TESTEXP_EXTENT_MMIO || extent.attributes & TESTEXP_EXTENT_P2P;
}

} // namespace

/* With a device, a dynamic importer of a static exporter would map at attach. */
std::uint32_t attach_flags_for(const Layout& layout) {
    const bool p2p = std::any_of(layout.extents.begin(), layout.extents.end(), needs_peer_to_peer);

    return p2p ? TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_NO_DEVICE : 0U;
}

Layout attachable(Layout layout) {
    if (!device().has(TESTEXP_FEAT_NO_DEVICE))
        for (testexp_extent& extent : layout.extents)
            extent.attributes = 0;
    return layout;
}

std::vector<testexp_result> ask(const Importer& importer, const std::vector<std::uint64_t>& pgoffs,
                                std::uint32_t resolve_flags) {
    std::vector<testexp_result> answers;

    answers.reserve(pgoffs.size());
    for (std::size_t first = 0, next = 0; first < pgoffs.size(); first = next) {
        for (next = first + 1; next < pgoffs.size() && pgoffs[next] == pgoffs[next - 1] + 1;)
            next++;

        const auto here = importer.resolve(pgoffs[first], next - first, 1, resolve_flags).value();

        answers.insert(answers.end(), here.begin(), here.end());
    }
    return answers;
}

std::vector<testexp_result> ask_kernel(const Layout& layout,
                                       const std::vector<std::uint64_t>& pgoffs) {
    const Buffer buffer = device().create({.layout = layout}).value();

    return ask(device().attach(buffer.fd.get(), attach_flags_for(layout)).value(), pgoffs);
}

} // namespace testexp
