// SPDX-License-Identifier: GPL-2.0
/* A tracer that has ended traces nothing, and must not look like a cheap one. */
#include "other_tracer.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

using bench::OtherTracer;

namespace {

/* Does not wait for probes. */
OtherTracer run(const std::string& script) {
    return OtherTracer::run({"sh", "-c", script}, [](pid_t) { return true; }).value();
}

TEST(OtherTracer, LivesUntilItIsDestroyed) {
    const OtherTracer tracer = run("exec sleep 600");

    EXPECT_TRUE(tracer.check());
}

TEST(OtherTracer, EndIsAnErrorWithTheLastLine) {
    const OtherTracer tracer = run("echo attached; echo out of memory >&2; exit 0");

    while (tracer.check())
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(tracer.check().error().what,
              "sh ended before the measurement did; its last line: out of memory");
}

TEST(OtherTracer, EndBeforeItTracesIsTheLastLine) {
    const auto tracer =
        OtherTracer::run({"sh", "-c", "echo no such probe"}, [](pid_t) { return false; });

    EXPECT_EQ(tracer.error().what, "sh: no such probe");
}

} // namespace
