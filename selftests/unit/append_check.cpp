// SPDX-License-Identifier: GPL-2.0
#include "append_check.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "native_layout.hpp"

namespace {

using testexp::Layout;

bool has_pfns(const testexp_extent& extent) {
    return extent.type != TESTEXP_EXTENT_HOLE && extent.type != TESTEXP_EXTENT_PRIVATE;
}

bool continues(const testexp_extent& before, const testexp_extent& extent) {
    return before.type == extent.type && before.cache == extent.cache &&
           before.attributes == extent.attributes &&
           (!has_pfns(extent) || before.at + before.nr_pages == extent.at);
}

/* For each extent the number of runs that it and all extents before it make. */
std::vector<std::size_t> count_runs(const Layout& layout) {
    std::vector<std::size_t> runs;

    for (std::size_t i = 0; i < layout.extents.size(); i++)
        runs.push_back(i == 0 ? 1
                              : runs.back() + !continues(layout.extents[i - 1], layout.extents[i]));
    return runs;
}

/* What a refused call must leave unchanged. */
struct State {
    explicit State(const layout& from)
        : nr_pages(from.nr_pages), extents(from.extents, from.extents + from.nr_extents) {}

    bool operator==(const State& other) const {
        return nr_pages == other.nr_pages &&
               std::equal(extents.begin(), extents.end(), other.extents.begin(),
                          other.extents.end(), same_extent);
    }

    static bool same_extent(const layout_extent& a, const layout_extent& b) {
        return a.before == b.before && a.end == b.end && a.delta == b.delta &&
               a.align_mask == b.align_mask && layout_same_kind(a.kind, b.kind);
    }

    u64 nr_pages;
    std::vector<layout_extent> extents;
};

std::string complain(const std::string& what, std::uint64_t is, std::uint64_t must_be) {
    return what + ": is " + std::to_string(is) + ", must be " + std::to_string(must_be);
}

/* An append that must fail with @error (positive) and change nothing. */
std::string wrong_refusal(NativeLayout& native, const testexp_extent& extent, int error) {
    const State before(native.get());
    const int is = native.append(extent);

    if (is != -error)
        return "error of an append: is " + std::to_string(-is) + ", must be " +
               std::to_string(error);
    return before == State(native.get()) ? "" : "an append that was refused changed the layout";
}

/* @native has no room for the last of the @runs. */
std::string wrong_when_full(NativeLayout& native, const Layout& layout,
                            const std::vector<std::size_t>& runs) {
    native.reset(runs.back() - 1);
    for (std::size_t i = 0; i < runs.size(); i++) {
        if (runs[i] == runs.back())
            return wrong_refusal(native, layout.extents[i], ENOSPC);
        if (const int error = native.append(layout.extents[i]))
            return "extent " + std::to_string(i) + " is refused: " + std::to_string(error);
    }
    return "";
}

/* @native has room for exactly @runs. */
std::string wrong_result(NativeLayout& native, const Layout& layout, std::size_t runs) {
    native.reset(runs);
    for (const testexp_extent& extent : layout.extents)
        if (const int error = native.append(extent))
            return "an extent is refused: " + std::to_string(error);
    if (native.get().nr_extents != runs)
        return complain("runs", native.get().nr_extents, runs);
    if (native.get().nr_pages != layout.nr_pages())
        return complain("pages", native.get().nr_pages, layout.nr_pages());
    return "";
}

/* The shortest and the longest length that make pgoff wrap. */
std::string wrong_when_wrapping(NativeLayout& native, testexp_extent extent) {
    std::string wrong;

    for (const u64 nr_pages : {-native.get().nr_pages, ~u64{0}}) {
        extent.nr_pages = nr_pages;
        if (wrong.empty())
            wrong = wrong_refusal(native, extent, EOVERFLOW);
    }
    return wrong;
}

} // namespace

std::string wrong_append(const Layout& layout) {
    if (layout.extents.empty())
        return "";

    const std::vector<std::size_t> runs = count_runs(layout);
    NativeLayout native;
    std::string wrong = wrong_when_full(native, layout, runs);

    if (wrong.empty())
        wrong = wrong_result(native, layout, runs.back());
    return wrong.empty() ? wrong_when_wrapping(native, layout.extents.back()) : wrong;
}
