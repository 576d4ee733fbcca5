/* SPDX-License-Identifier: GPL-2.0 */
/* The buffer that is being measured. Making one is expensive, so it is shared. */
#pragma once

#include <optional>

#include "shape.hpp"
#include "testexp.hpp"

namespace bench {

/* What every message begins with that says why something cannot be measured here. */
inline constexpr const char* requires_prefix = "requires ";

/* What a measurement needs of a buffer. */
struct Target {
    const testexp::Importer* importer = nullptr;
    std::uint64_t address = 0; /* where it is mapped, for shapes that are; else 0 */
};

class Buffers {
public:
    /* @device must outlive this. */
    explicit Buffers(const testexp::Device& device) : device_(device) {}

    /**
     * A buffer of @shape, which is made now unless it is the one that the last call
     * returned; then that one is gone. If this machine cannot have such a buffer, the
     * error's text begins with requires_prefix.
     */
    testexp::Result<Target> target(const Shape& shape);

private:
    struct Current {
        Shape shape;
        testexp::Importer importer; /* keeps the buffer alive */
        std::optional<testexp::Mapping> mapping;
    };

    testexp::Result<Current> make(const Shape& shape) const;

    const testexp::Device& device_;
    std::optional<Current> current_;
};

} // namespace bench
