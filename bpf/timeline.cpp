// SPDX-License-Identifier: GPL-2.0
#include "timeline.hpp"

#include <algorithm>
#include <map>

#include <nlohmann/json.hpp>

namespace latency {
namespace {

using nlohmann::json;

const char* name_of(const lock_event& event) {
    if (event.kind == LOCK_HOLD)
        return "hold";
    return event.kind == LOCK_CONTENDED ? "wait (contended)" : "wait";
}

double us(std::uint64_t ns) {
    return static_cast<double>(ns) / 1000;
}

json slice(const lock_event& event, std::uint64_t origin_ns) {
    return {{"name", name_of(event)},
            {"cat", "dma_resv"},
            {"ph", "X"},
            {"ts", us(event.begin_ns - origin_ns)},
            {"dur", us(event.end_ns - event.begin_ns)},
            {"pid", event.tgid},
            {"tid", event.tid},
            {"args", {{"buffer", event.inode}, {"error", event.error}}}};
}

json thread_name(const lock_event& event) {
    return {{"name", "thread_name"},
            {"ph", "M"},
            {"pid", event.tgid},
            {"tid", event.tid},
            {"args", {{"name", event.comm}}}};
}

} // namespace

std::string timeline_text(std::span<const lock_event> events, std::uint64_t lost) {
    const auto first = std::ranges::min_element(events, {}, &lock_event::begin_ns);
    const std::uint64_t origin_ns = first == events.end() ? 0 : first->begin_ns;
    std::map<std::uint32_t, const lock_event*> threads;
    std::string text;
    const auto add = [&text](const json& row) {
        text += (text.empty() ? "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n" : ",\n") +
                row.dump(-1, ' ', false, json::error_handler_t::replace);
    };

    for (const lock_event& event : events) {
        threads[event.tid] = &event;
        add(slice(event, origin_ns));
    }
    for (const auto& [tid, event] : threads)
        add(thread_name(*event));
    if (text.empty())
        text = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[";
    return text + "\n],\"otherData\":{\"lost\":" + std::to_string(lost) + "}}\n";
}

} // namespace latency
