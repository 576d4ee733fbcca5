// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: what an ioctl may answer follows only from the bytes that it is passed.
 *
 * Method: structs are spoilt twice, as the ioctl fuzzer does. For each defect there is one call,
 * next to the largest or smallest good value.
 */
#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "call_rules.hpp"
#include "passed_struct.hpp"

namespace {

using testexp::Bytes;
using testexp::GuardedMemory;
using testexp::Layout;
using testexp::PassedStruct;
using testexp::Verdict;

using Errnos = std::set<int>;

testexp_info info() {
    testexp_info info{};

    info.page_shift = 12;
    info.max_extents = 1000;
    info.max_pages = 1000;
    info.features = TESTEXP_FEAT_NATIVE | TESTEXP_FEAT_NO_MAP;
    return info;
}

/* --- CREATE --------------------------------------------------------------- */

/* A good CREATE of these extents, for a test to spoil. */
class Create {
public:
    explicit Create(const Layout& layout) : passed({}) {
        const std::size_t size = layout.extents.size() * sizeof(testexp_extent);

        std::memcpy(array.tail(size), layout.extents.data(), size);
        passed.args.extents = array.address(array.tail(size));
        passed.args.nr_extents = static_cast<std::uint32_t>(layout.extents.size());
    }
    Create() : Create(Layout{}.hole(1).hole(2)) {}

    Verdict verdict() {
        return testexp::verdict_of_create_call(passed.place(), array.from(passed.args.extents),
                                               info());
    }

    PassedStruct<testexp_create> passed;
    GuardedMemory array;
};

/* One way to spoil the frame of a call, and the verdict about a struct that was good before. */
struct Spoiling {
    const char* name;
    std::function<void(PassedStruct<testexp_create>&)> spoil;
    Errnos defects;
};

constexpr std::uint32_t good_size = sizeof(testexp_create);

/* Sets all of the frame except the flags. */
void set_frame(PassedStruct<testexp_create>& passed, std::uint32_t size, unsigned char tail) {
    passed.args.size = size;
    passed.set_tail(tail);
}

const std::vector<Spoiling>& spoilings() {
    static const std::vector<Spoiling> all = {
        {"nothing", [](auto& passed) { set_frame(passed, good_size, 0); }, {}},
        {"too large, zeros behind", [](auto& p) { set_frame(p, good_size + 1, 0); }, {}},
        {"too large, one behind", [](auto& p) { set_frame(p, good_size + 1, 1); }, {E2BIG}},
        {"one behind, not of the struct", [](auto& p) { set_frame(p, good_size, 1); }, {}},
        {"a page", [](auto& p) { set_frame(p, 4096, 0); }, {}},
        {"more than a page", [](auto& p) { set_frame(p, 4097, 0); }, {E2BIG}},
        {"too small", [](auto& p) { set_frame(p, good_size - 1, 0); }, {EINVAL}},
        {"no size", [](auto& p) { set_frame(p, 0, 1); }, {EINVAL}},
    };

    return all;
}

TEST(CallRules, FrameSpoiltOnce) {
    for (const Spoiling& spoiling : spoilings()) {
        Create create;

        spoiling.spoil(create.passed);
        EXPECT_EQ(create.verdict().defects, spoiling.defects) << spoiling.name;
    }
}

/* A defect that the second spoiling undoes is no defect. */
TEST(CallRules, FrameSpoiltTwice) {
    for (const Spoiling& first : spoilings())
        for (const Spoiling& second : spoilings()) {
            Create create;

            first.spoil(create.passed);
            EXPECT_EQ(create.verdict().defects, first.defects) << first.name;
            second.spoil(create.passed);
            EXPECT_EQ(create.verdict().defects, second.defects)
                << first.name << ", then " << second.name;
        }
}

TEST(CallRules, ExtentSpoiltTwice) {
    Create create;
    auto* const extents =
        reinterpret_cast<testexp_extent*>(create.array.tail(2 * sizeof(testexp_extent)));

    extents[1].nr_pages = 0;
    EXPECT_EQ(create.verdict().defects, Errnos{EINVAL});
    extents[1].nr_pages = 1;
    EXPECT_EQ(create.verdict().defects, Errnos{});
    extents[1].type = TESTEXP_EXTENT_MMIO;
    extents[1].cache = TESTEXP_CACHE_UC;
    EXPECT_EQ(create.verdict().defects, Errnos{ENODEV});
    extents[1] = extents[0];
    EXPECT_EQ(create.verdict().defects, Errnos{});
    EXPECT_EQ(create.verdict().obstacles, Errnos{});
}

TEST(CallRules, BadPointerIsTheOnlyDefect) {
    for (const std::uint64_t pointer : {std::uint64_t{0}, std::uint64_t{8}, ~std::uint64_t{0}}) {
        Create create;

        create.passed.args.flags = ~0U;
        create.passed.set_pointer(pointer);
        EXPECT_EQ(create.verdict().defects, Errnos{EFAULT});
    }

    Create create;

    create.passed.set_pointer(create.passed.guard());
    EXPECT_EQ(create.verdict().defects, Errnos{EFAULT});
    create.passed.set_pointer(create.passed.guard() - sizeof(testexp_create) + 1);
    EXPECT_EQ(create.verdict().defects, Errnos{EFAULT});
}

TEST(CallRules, CreateDefects) {
    const std::pair<std::function<void(Create&)>, Errnos> calls[] = {
        {[](Create& c) { c.passed.args.flags = 1U << 31; }, {EOPNOTSUPP}},
        {[](Create& c) { c.passed.args.reserved = 1; }, {EINVAL}},
        {[](Create& c) { c.passed.args.inject = TESTEXP_INJECT_ALL; }, {}},
        {[](Create& c) { c.passed.args.inject = TESTEXP_INJECT_ALL + 1; }, {EINVAL}},
        {[](Create& c) { c.passed.args.nr_extents = 0; }, {EINVAL}},
        {[](Create& c) { c.passed.args.nr_extents = 1; }, {}},
        {[](Create& c) { c.passed.args.nr_extents = 3; }, {EFAULT}},
        {[](Create& c) { c.passed.args.nr_extents = 1000; }, {EFAULT}},
        {[](Create& c) { c.passed.args.nr_extents = 1001; }, {ENOSPC}},
        {[](Create& c) { c.passed.args.extents = 0; }, {EFAULT}},
        {[](Create& c) { c.passed.args.extents = c.array.address(c.array.start()); }, {EINVAL}},
        {[](Create& c) { c.passed.args.extents = c.array.guard(); }, {EFAULT}},
    };

    for (std::size_t i = 0; i < std::size(calls); i++) {
        const auto& [spoil, defects] = calls[i];
        Create create;

        spoil(create);
        EXPECT_EQ(create.verdict().defects, defects) << "call " << i;
    }
}

/* A call that needs too much memory may be refused for this before the module sees the defect. */
TEST(CallRules, CopyOfTheArrayMayBeTooLarge) {
    Create create;
    testexp_info small = info();
    const auto obstacles = [&] {
        return testexp::verdict_of_create_call(create.passed.place(),
                                               create.array.from(create.passed.args.extents), small)
            .obstacles;
    };

    create.passed.args.nr_extents = 1000; /* of 48 bytes */
    EXPECT_EQ(obstacles(), Errnos{});
    small.max_pages = 22;
    EXPECT_EQ(obstacles(), Errnos{});
    small.max_pages = 21;
    EXPECT_EQ(obstacles(), (Errnos{ENOSPC, ENOMEM}));
}

/* --- RESOLVE -------------------------------------------------------------- */

TEST(CallRules, ResolveDefects) {
    constexpr std::uint64_t last = ~std::uint64_t{0};
    constexpr std::uint64_t half = std::uint64_t{1} << 63;
    struct {
        std::uint64_t pgoff, count, stride;
        Errnos defects;
    } const calls[] = {
        {0, 1, 1, {}},
        {last, 1, last, {}},
        {last, 4, 0, {EINVAL}},
        {0, 0, 1, {EINVAL}},
        {0, 4, 1, {}},
        {0, 5, 1, {EFAULT}},
        {last - 3, 4, 1, {}},
        {last - 2, 4, 1, {EOVERFLOW}},
        {half - 1, 2, half, {}},
        {half, 2, half, {EOVERFLOW}},
        {0, last, last, {EOVERFLOW, EFAULT}},
    };
    const GuardedMemory array;

    for (const auto& call : calls) {
        PassedStruct<testexp_resolve> passed({});

        passed.args.pgoff = call.pgoff;
        passed.args.count = call.count;
        passed.args.stride = call.stride;
        EXPECT_EQ(testexp::verdict_of_resolve_call(
                      passed.place(),
                      Bytes(array.tail(4 * sizeof(testexp_result)), 4 * sizeof(testexp_result)),
                      info())
                      .defects,
                  call.defects)
            << call.pgoff << " " << call.count << " " << call.stride;
    }
}

/* The results point to no memory, then to memory again. */
TEST(CallRules, ResultsSpoiltTwice) {
    PassedStruct<testexp_resolve> passed({});
    const GuardedMemory array;

    passed.args.count = passed.args.stride = 1;
    for (const auto& [results, defects] :
         {std::pair<std::uint64_t, Errnos>{0, {EFAULT}},
          {array.address(array.start()), {}},
          {array.guard(), {EFAULT}},
          {array.address(array.tail(sizeof(testexp_result))), {}},
          {array.address(array.tail(sizeof(testexp_result) - 1)), {EFAULT}}}) {
        passed.args.results = results;
        EXPECT_EQ(
            testexp::verdict_of_resolve_call(passed.place(), array.from(results), info()).defects,
            defects)
            << results - array.address(array.start());
    }
}

/* --- DESCRIBE ------------------------------------------------------------- */

TEST(CallRules, DescribeDefects) {
    PassedStruct<testexp_describe> passed({});
    const auto defects = [&] {
        return testexp::verdict_of_describe_call(passed.place(), 10, info()).defects;
    };

    passed.args.pgoff = 10;
    EXPECT_EQ(defects(), Errnos{EINVAL});
    passed.args.pgoff = 9;
    EXPECT_EQ(defects(), Errnos{});
    passed.args.reserved = 1;
    EXPECT_EQ(defects(), Errnos{EINVAL});
    passed.args.reserved = 0;
    passed.args.flags = TESTEXP_DESCRIBE_FLAGS;
    EXPECT_EQ(defects(), Errnos{});
    passed.args.flags = TESTEXP_DESCRIBE_FLAGS + 1;
    EXPECT_EQ(defects(), Errnos{EOPNOTSUPP});
    passed.args.flags = 0;
    passed.args.size = sizeof(passed.args) + 1;
    passed.set_tail(1);
    EXPECT_EQ(defects(), Errnos{E2BIG});
    passed.set_tail(0);
    EXPECT_EQ(defects(), Errnos{});
}

} // namespace
