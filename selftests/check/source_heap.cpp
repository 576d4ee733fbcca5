// SPDX-License-Identifier: GPL-2.0
/* A buffer of a dma-buf heap. */
#include "foreign_buffer.hpp"
#include "source.hpp"

namespace check {

using namespace testexp;

namespace {

Source make(const std::string& argument, const Settings&) {
    const HeapSpec spec = value_for("heap", parse_heap(argument));
    ForeignBuffer buffer = value_for("heap", make_heap(spec));
    Source source;

    source.name = "heap " + argument;
    source.buffer = std::move(buffer.fd);
    source.exporter_class = ExporterClass{};
    source.needs_p2p = false;
    source.segments_are_blocks = spec.heap == "system"; /* its chunks */
    source.has_distinct_pages = true;
    source.may_write = true;
    return source;
}

} // namespace

const SourceKind heap_source = {"heap", "NAME,SIZE", "a buffer of /dev/dma_heap/NAME", make, true};

} // namespace check
