// SPDX-License-Identifier: GPL-2.0
#include "call_rules.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace testexp {

namespace {

using Wide = unsigned __int128; /* wide enough that no sum or product overflows */

/* The bytes as a T. Missing bytes are zero. */
template <typename T> T read(Bytes bytes) {
    T value{};

    if (!bytes.empty())
        std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof(value)));
    return value;
}

/* A caller with a larger struct must leave the fields zero that the module does not know. */
bool is_zero_behind(Bytes passed, std::size_t known, std::size_t size) {
    const Bytes unknown = passed.subspan(known, std::min(size, passed.size()) - known);

    return std::all_of(unknown.begin(), unknown.end(),
                       [](unsigned char byte) { return byte == 0; });
}

/* The errors that every ioctl has in common. */
template <typename Args>
Verdict verdict_of_frame(Bytes passed, std::uint32_t known_flags, const testexp_info& info) {
    const Args args = read<Args>(passed);
    Verdict verdict;

    if (passed.size() < sizeof(Args)) {
        verdict.defects.insert(EFAULT);
        return verdict;
    }
    if (args.size < sizeof(Args))
        verdict.defects.insert(EINVAL);
    else if (args.size > std::size_t{1} << info.page_shift ||
             !is_zero_behind(passed, sizeof(Args), args.size))
        verdict.defects.insert(E2BIG);
    if (args.flags & ~known_flags)
        verdict.defects.insert(EOPNOTSUPP);
    return verdict;
}

/* The extents in @array, @nr_extents at most. */
Layout layout_in(Bytes array, std::size_t nr_extents) {
    Layout layout;

    for (; nr_extents && array.size() >= sizeof(testexp_extent); nr_extents--) {
        layout.extents.push_back(read<testexp_extent>(array));
        array = array.subspan(sizeof(testexp_extent));
    }
    return layout;
}

void add(const Verdict& more, Verdict& verdict) {
    verdict.defects.insert(more.defects.begin(), more.defects.end());
    verdict.obstacles.insert(more.obstacles.begin(), more.obstacles.end());
}

} // namespace

Verdict verdict_of_create_call(Bytes passed, Bytes array, const testexp_info& info) {
    const auto args = read<testexp_create>(passed);
    const Layout layout = layout_in(array, args.nr_extents);
    Verdict verdict = verdict_of_frame<testexp_create>(passed, TESTEXP_CREATE_FLAGS, info);

    if (passed.size() < sizeof(args))
        return verdict;
    if (args.reserved || (args.inject & ~TESTEXP_INJECT_ALL) || args.nr_extents == 0)
        verdict.defects.insert(EINVAL);
    if (args.nr_extents > info.max_extents)
        verdict.defects.insert(ENOSPC);
    else if (args.nr_extents > layout.extents.size())
        verdict.defects.insert(EFAULT);
    if (args.nr_extents * sizeof(testexp_extent) >> info.page_shift > info.max_pages / 2) {
        /* The module copies the array, and the copy alone may exceed the limit. */
        verdict.obstacles.insert(ENOSPC);
        verdict.obstacles.insert(ENOMEM);
    }
    add(verdict_of_create(layout, args.flags, info), verdict);
    return verdict;
}

Verdict verdict_of_resolve_call(Bytes passed, Bytes array, const testexp_info& info) {
    const auto args = read<testexp_resolve>(passed);
    Verdict verdict = verdict_of_frame<testexp_resolve>(passed, TESTEXP_RESOLVE_FLAGS, info);

    if (passed.size() < sizeof(args))
        return verdict;
    if (args.count == 0 || args.stride == 0)
        verdict.defects.insert(EINVAL);
    else if (Wide{args.count - 1} * args.stride + args.pgoff > ~std::uint64_t{0})
        verdict.defects.insert(EOVERFLOW);
    if (args.count > array.size() / sizeof(testexp_result))
        verdict.defects.insert(EFAULT);
    return verdict;
}

Verdict verdict_of_describe_call(Bytes passed, std::uint64_t nr_pages, const testexp_info& info) {
    const auto args = read<testexp_describe>(passed);
    Verdict verdict = verdict_of_frame<testexp_describe>(passed, TESTEXP_DESCRIBE_FLAGS, info);

    if (passed.size() < sizeof(args))
        return verdict;
    if (args.reserved || args.pgoff >= nr_pages)
        verdict.defects.insert(EINVAL);
    return verdict;
}

} // namespace testexp
