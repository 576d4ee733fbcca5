// SPDX-License-Identifier: GPL-2.0
#include "truth.hpp"

namespace testexp::truth {

std::uint32_t Row::create_flags() const {
    constexpr std::uint32_t of_methods[] = {TESTEXP_CREATE_NO_GET_PFN, TESTEXP_CREATE_NO_MAP, 0,
                                            TESTEXP_CREATE_CACHE_SGT};

    return of_methods[static_cast<std::size_t>(methods)] | TESTEXP_CREATE_CHECK_LOCK |
           (exporter == Kind::dynamic ? TESTEXP_CREATE_DYNAMIC : 0U);
}

std::uint32_t Row::attach_flags() const {
    return (importer == Kind::dynamic ? TESTEXP_ATTACH_DYNAMIC : 0U) |
           (device ? 0U : TESTEXP_ATTACH_NO_DEVICE);
}

std::string Row::name() const {
    constexpr const char* of_methods[] = {"map_only", "get_pfn_only", "both", "both_cached"};
    const auto word = [](Kind kind) { return kind == Kind::dynamic ? "dynamic" : "static"; };

    return std::string("exporter=") + word(exporter) +
           ",methods=" + of_methods[static_cast<std::size_t>(methods)] +
           ",importer=" + word(importer) + ",device=" + (device ? "yes" : "no");
}

const char* Row::obstacle(std::uint32_t features) const {
    if (!device && !(features & TESTEXP_FEAT_NO_DEVICE))
        return "the stock kernel refuses device-less importers";
    if (methods == Methods::get_pfn_only && !(features & TESTEXP_FEAT_NO_MAP))
        return "the stock kernel refuses exporters without map_dma_buf";
    return nullptr;
}

} // namespace testexp::truth
