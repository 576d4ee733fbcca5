/* SPDX-License-Identifier: GPL-2.0 */
/* The buffers that are measured. Making a buffer is expensive, so cases share buffers. */
#pragma once

#include <cstdint>
#include <list>
#include <optional>

#include "found.hpp"
#include "shape.hpp"
#include "testexp.hpp"

namespace bench {

/* What a measurement needs of a buffer. */
struct Target {
    const testexp::Importer* importer = nullptr;
    std::uint64_t address = 0;    /* of the mapping; 0 without one */
    const Found* found = nullptr; /* of a buffer of another exporter */
};

class Buffers {
public:
    /*
     * @device must outlive this object. Beside the buffer that was asked for last, the
     * object keeps other buffers for later, up to @keep_bytes in total.
     */
    Buffers(const testexp::Device& device, std::uint64_t keep_bytes)
        : device_(device), keep_bytes_(keep_bytes) {}

    /**
     * A buffer of @shape. The buffer is made now unless it was kept, and exists until the
     * next call. If this machine cannot have such a buffer, the error's text begins with
     * requires_prefix.
     */
    testexp::Result<Target> target(const Shape& shape);

private:
    struct Kept {
        Shape shape;
        testexp::Importer importer; /* keeps the buffer alive */
        std::optional<testexp::Mapping> mapping;
        std::optional<testexp::ForeignBuffer> foreign; /* closing a VFIO device revokes */
        std::optional<Found> found;

        testexp::Status map(int fd);
    };

    testexp::Result<Kept> make(const Shape& shape) const;
    testexp::Result<Kept> make_own(const Shape& shape) const;
    testexp::Result<Kept> make_foreign(const Shape& shape) const;
    void make_room(std::uint64_t bytes);

    const testexp::Device& device_;
    std::uint64_t keep_bytes_;
    std::list<Kept> kept_; /* the buffer used last is at the end */
};

} // namespace bench
