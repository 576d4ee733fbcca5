// SPDX-License-Identifier: GPL-2.0
#include "importer_kinds.hpp"

#include <cerrno>

namespace check {

namespace {

constexpr std::uint32_t no_device = TESTEXP_ATTACH_NO_DEVICE;
constexpr std::uint32_t dynamic = TESTEXP_ATTACH_DYNAMIC;
constexpr std::uint32_t no_p2p = TESTEXP_ATTACH_NO_P2P;
constexpr std::uint32_t no_notify = TESTEXP_ATTACH_NO_NOTIFY;
constexpr std::uint32_t pin = TESTEXP_ATTACH_PIN;

// clang-format off
constexpr ImporterKind kinds[] = {
/*   name                           flags                            device callback p2p  pins */
    {"static",                      0,                               true,  false, false, false},
    {"static,device=no",            no_device,                       false, false, false, false},
    {"dynamic",                     dynamic,                         true,  true,  true,  false},
    {"dynamic,device=no",           dynamic | no_device,             false, true,  true,  false},
    {"pinned",                      dynamic | pin,                   true,  true,  true,  true},
    {"pinned,device=no",            dynamic | pin | no_device,       false, true,  true,  true},
    {"no_p2p",                      dynamic | no_p2p,                true,  true,  false, false},
    {"no_p2p,device=no",            dynamic | no_p2p | no_device,    false, true,  false, false},
    {"no_callback",                 dynamic | no_notify,             true,  false, true,  false},
    {"no_callback,device=no",       dynamic | no_notify | no_device, false, false, true,  false},
    {"pinned,no_callback",          dynamic | no_notify | pin,       true,  false, true,  true},
    {"pinned,no_callback,device=no", dynamic | no_notify | pin | no_device,
                                                                     false, false, true,  true},
};
// clang-format on

} // namespace

std::span<const ImporterKind> importer_kinds() {
    return kinds;
}

Outcome expected_outcome(const ImporterKind& kind, const ExporterTraits& exporter,
                         std::uint32_t features) {
    const bool since_7_1 = (features & TESTEXP_FEAT_NO_NOTIFY) != 0;
    const bool has_move_notify = (features & TESTEXP_FEAT_MOVE_NOTIFY) != 0;

    if (!kind.has_device && !exporter.has_get_pfn)
        return {.attach = EINVAL};
    if (exporter.kind.revocable && !kind.has_callback)
        return {.attach = EOPNOTSUPP};
    if (exporter.needs_p2p && !kind.allows_p2p)
        return {.attach = EOPNOTSUPP};
    if (!exporter.has_get_pfn)
        return {.get_pfn = EINVAL};
    if (!exporter.kind.movable)
        return {};
    /* Before 7.1 the configuration of the kernel decides, and static importers are pinned. */
    if (!since_7_1)
        return {.get_pfn = has_move_notify ? 0 : ENOENT};
    return {.get_pfn = kind.has_callback || kind.pins ? 0 : ENOENT};
}

} // namespace check
