// SPDX-License-Identifier: GPL-2.0
/* A buffer of the test exporter, with a layout that the command line describes. */
#include "layout_text.hpp"

#include "fixture.hpp"
#include "source.hpp"

namespace check {

namespace {

bool has_type(const testexp::Layout& layout, std::uint32_t type) {
    return std::ranges::any_of(layout.extents,
                               [=](const testexp_extent& extent) { return extent.type == type; });
}

void add_revoke(Source& source, int fd) {
    using testexp::device;

    source.invalidations.push_back({.name = "REVOKE",
                                    .take = [fd] { (void)device().revoke(fd).value(); },
                                    .give_back = [fd] { (void)device().restore(fd).value(); },
                                    .callbacks = 1});
    source.harmless = {"RESTORE of a buffer that is not revoked",
                       [fd] { (void)device().restore(fd).value(); }};
}

/* Moves to the same layout. The exporter keeps the old pages, so the new pages differ. */
void add_move(Source& source, int fd, const testexp::Layout& layout) {
    using testexp::device;

    source.invalidations.push_back(
        {.name = "MOVE",
         .take = [fd, layout] { (void)device().move(fd, layout).value(); },
         .give_back = {},
         .is_move = true,
         .callbacks = 1});
}

Source make(const std::string& argument, const Settings&) {
    const testexp::CreateSpec spec = layout_of(argument);
    auto buffer = testexp::device().create(spec);

    if (buffer.code() == ENODEV)
        throw std::runtime_error("--testexp " + argument +
                                 ": no BAR for mmio: load the module with mmio_bar=DEVICE/NUMBER");
    if (!buffer)
        throw std::runtime_error("--testexp " + argument + ": " + buffer.error().what);

    Source source;

    source.name = "testexp " + argument;
    source.buffer = std::move(buffer.value().fd);
    source.exporter_class =
        ExporterClass{.movable = (spec.flags & TESTEXP_CREATE_DYNAMIC) != 0,
                      .revocable = (spec.flags & TESTEXP_CREATE_REVOCABLE) != 0};
    source.is_testexp = true;
    source.has_distinct_pages = !has_type(spec.layout, TESTEXP_EXTENT_ALIAS);
    source.has_real_pages = !has_type(spec.layout, TESTEXP_EXTENT_SYNTHETIC);
    source.may_write = !has_type(spec.layout, TESTEXP_EXTENT_SYNTHETIC);
    if (spec.flags & (TESTEXP_CREATE_REVOCABLE | TESTEXP_CREATE_DYNAMIC))
        add_revoke(source, source.buffer.get());
    if ((spec.flags & TESTEXP_CREATE_DYNAMIC) && !has_type(spec.layout, TESTEXP_EXTENT_ALIAS))
        add_move(source, source.buffer.get(), spec.layout);
    return source;
}

} // namespace

const SourceKind testexp_source = {
    "testexp", "LAYOUT", "a buffer of the test exporter; for example ram:600,hole:1,mmio:3@8", make,
    true};

} // namespace check
