/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Histograms as latency.json has them; results/schema.md describes the format. Needs nlohmann-json,
 * which the self-tests do without.
 */
#pragma once

#include <bit>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

#include "hist.hpp"

namespace testexp {

/* A histogram and what a reader needs to know about it. */
struct NamedHistogram {
    std::string name; /* what was measured, for example a function */
    std::string unit; /* of the values: "ns" or "bytes" */
    testexp_hist hist = empty_hist();
    std::uint64_t lost = 0;      /* number of values that could not be recorded */
    std::uint64_t unmatched = 0; /* calls of which only the beginning or the end was seen */
    std::map<std::string, std::string> labels;
};

inline void to_json(nlohmann::json& json, const NamedHistogram& from) {
    auto buckets = nlohmann::json::array();

    for (std::uint32_t index = 0; index < TESTEXP_HIST_BUCKETS; index++) {
        const std::uint64_t count = from.hist.buckets[index];

        if (count != 0)
            buckets.push_back({std::uint64_t{testexp_hist_upper(index)}, count});
    }
    json = {{"name", from.name},
            {"unit", from.unit},
            {"count", std::uint64_t{from.hist.count}},
            {"sum", std::uint64_t{from.hist.sum}},
            {"min", from.hist.count == 0 ? 0 : std::uint64_t{from.hist.min}},
            {"max", std::uint64_t{from.hist.max}},
            {"buckets", buckets},
            {"lost", from.lost},
            {"unmatched", from.unmatched},
            {"labels", from.labels}};
}

/* A count from JSON. Throws for a negative or broken number instead of returning a huge one. */
inline std::uint64_t count_from_json(const nlohmann::json& json) {
    if (!json.is_number_unsigned())
        throw std::invalid_argument("expected a whole number, found " + json.dump());
    return json.get<std::uint64_t>();
}

/* The buckets of bpftrace are whole octaves. Each ends where one of ours ends. */
enum class Buckets { ours, octaves };

/* Whether values in the buckets of @hist can have its min, its max and its sum. */
inline bool fits_buckets(const testexp_hist& hist, Buckets buckets) {
    using Wide = unsigned __int128; /* the sum is modulo 2^64, but the sums of the ends are not */

    const auto lower = [buckets](std::uint32_t index) {
        return std::uint64_t{buckets == Buckets::ours ? testexp_hist_lower(index)
                                                      : std::bit_floor(testexp_hist_upper(index))};
    };
    const auto is_in = [lower](std::uint64_t value, std::uint32_t index) {
        return value >= lower(index) && value <= testexp_hist_upper(index);
    };

    if (hist.count == 0)
        return hist.max == 0 && hist.sum == 0;

    std::uint64_t smallest_sum = 0;
    Wide room = 0; /* from the smallest sum to the largest */

    for (std::uint32_t index = 0; index < TESTEXP_HIST_BUCKETS; index++) {
        smallest_sum += hist.buckets[index] * lower(index);
        room += Wide{hist.buckets[index]} * (testexp_hist_upper(index) - lower(index));
    }
    return hist.min <= hist.max && is_in(hist.min, first_bucket(hist)) &&
           is_in(hist.max, last_bucket(hist)) && hist.sum - smallest_sum <= room;
}

/* Throws std::invalid_argument or nlohmann::json::exception for anything but such a histogram. */
inline void from_json(const nlohmann::json& json, NamedHistogram& into) {
    into.name = json.at("name").get<std::string>();
    into.unit = json.at("unit").get<std::string>();
    into.lost = count_from_json(json.at("lost"));
    into.unmatched = count_from_json(json.at("unmatched"));
    into.labels = json.at("labels").get<std::map<std::string, std::string>>();

    into.hist = empty_hist();
    for (const nlohmann::json& bucket : json.at("buckets")) {
        const std::uint64_t upper = count_from_json(bucket.at(0));
        const std::uint64_t count = count_from_json(bucket.at(1));
        const std::uint32_t index = testexp_hist_index(upper);

        if (testexp_hist_upper(index) != upper)
            throw std::invalid_argument(std::to_string(upper) + " is no bucket's upper edge");
        into.hist.buckets[index] += count;
        into.hist.count += count;
    }
    if (count_from_json(json.at("count")) != into.hist.count)
        throw std::invalid_argument("the buckets of " + into.name + " do not add up to its count");

    into.hist.sum = count_from_json(json.at("sum"));
    into.hist.max = count_from_json(json.at("max"));
    if (into.hist.count != 0)
        into.hist.min = count_from_json(json.at("min"));

    const auto tool = into.labels.find("tool");
    const bool is_bpftrace = tool != into.labels.end() && tool->second == "bpftrace";

    if (!fits_buckets(into.hist, is_bpftrace ? Buckets::octaves : Buckets::ours))
        throw std::invalid_argument("min, max or sum of " + into.name +
                                    " does not fit its buckets");
}

} // namespace testexp
