// SPDX-License-Identifier: GPL-2.0
#include "timeline.hpp"

#include <gtest/gtest.h>

#include <vector>

#include <nlohmann/json.hpp>

using latency::timeline_text;
using nlohmann::json;

namespace {

lock_event event(lock_hist kind, std::uint64_t begin_ns, std::uint64_t end_ns, std::uint32_t tid) {
    lock_event event{};
    event.kind = kind;
    event.begin_ns = begin_ns;
    event.end_ns = end_ns;
    event.tgid = 7;
    event.tid = tid;
    event.inode = 99;
    return event;
}

} // namespace

TEST(Timeline, EachEventIsASliceOfItsThread) {
    const std::vector<lock_event> events = {event(LOCK_CONTENDED, 5000, 7500, 11),
                                            event(LOCK_HOLD, 3000, 7000, 12)};
    const json trace = json::parse(timeline_text(events, 3));
    const json& slices = trace.at("traceEvents");

    ASSERT_EQ(slices.size(), 4u); /* and a name for each thread */
    EXPECT_EQ(slices[0].at("name"), "wait (contended)");
    EXPECT_EQ(slices[0].at("ph"), "X");
    EXPECT_EQ(slices[0].at("ts"), 2.0);
    EXPECT_EQ(slices[0].at("dur"), 2.5);
    EXPECT_EQ(slices[0].at("pid"), 7);
    EXPECT_EQ(slices[0].at("tid"), 11);
    EXPECT_EQ(slices[1].at("name"), "hold");
    EXPECT_EQ(slices[1].at("ts"), 0.0);
    EXPECT_EQ(slices[2].at("ph"), "M");
    EXPECT_EQ(trace.at("otherData").at("lost"), 3);
}

TEST(Timeline, NothingIsAValidFileToo) {
    EXPECT_TRUE(json::parse(timeline_text({}, 0)).at("traceEvents").empty());
}

/* A process may have any name, so the writer must escape the name. */
TEST(Timeline, ANameThatIsNoUtf8DoesNotBreakTheFile) {
    lock_event odd = event(LOCK_WAIT, 1, 2, 1);
    odd.comm[0] = '\xff';
    odd.comm[1] = '"';

    EXPECT_EQ(json::parse(timeline_text(std::vector{odd}, 0)).at("traceEvents").size(), 2u);
}
