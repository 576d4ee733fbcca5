// SPDX-License-Identifier: GPL-2.0
#include "buffers.hpp"

#include <fmt/format.h>

namespace bench {

namespace {

/* Says what was missing, if the error means that; else passes it on. */
testexp::Error explain(const testexp::Error& error, const Shape& shape,
                       const testexp_info& limits) {
    if (error.code == ENOSPC) {
        return {error.code,
                fmt::format("{}{} pages in {} extents; the module allows {} pages (parameter "
                            "max_pages) and {} extents",
                            requires_prefix, shape.nr_pages(), shape.nr_extents(), limits.max_pages,
                            limits.max_extents)};
    }
    if (error.code == ENOMEM) {
        return {error.code, fmt::format("{}{} MiB of free memory in blocks of 2^{} pages",
                                        requires_prefix, shape.size_bytes >> 20, shape.order)};
    }
    return error;
}

} // namespace

testexp::Result<Buffers::Current> Buffers::make(const Shape& shape) const {
    const testexp_info& limits = device_.info();

    if (shape.order > limits.max_page_order) {
        return testexp::Error{EINVAL,
                              fmt::format("{}extents of 2^{} pages; this kernel has 2^{} at most",
                                          requires_prefix, shape.order, limits.max_page_order)};
    }

    testexp::CreateSpec spec;

    spec.layout = testexp::Layout::uniform(shape.size_bytes, shape.order);
    spec.flags = TESTEXP_CREATE_SCATTER;

    const testexp::Result<testexp::Buffer> buffer = device_.create(spec);

    if (!buffer)
        return explain(buffer.error(), shape, limits);

    testexp::Result<testexp::Importer> importer = device_.attach(buffer.value().fd.get());

    if (!importer)
        return importer.error();
    return Current{shape, std::move(importer).value()};
}

testexp::Result<const testexp::Importer*> Buffers::importer(const Shape& shape) {
    if (!current_ || current_->shape != shape) {
        current_.reset(); /* first: there may not be memory for two */

        testexp::Result<Current> made = make(shape);

        if (!made)
            return made.error();
        current_.emplace(std::move(made).value());
    }
    return &current_->importer;
}

} // namespace bench
