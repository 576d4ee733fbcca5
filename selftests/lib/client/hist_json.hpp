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

/*
 * Whether min and max of @hist, which is not empty, can be those of its buckets. A bucket of
 * bpftrace is a whole octave that ends where one of ours ends, so max may be anywhere in it.
 */
inline bool fits_buckets(const testexp_hist& hist) {
    return hist.min <= hist.max && hist.min <= testexp_hist_upper(first_bucket(hist)) &&
           std::bit_width(hist.max) >= std::bit_width(testexp_hist_lower(last_bucket(hist)));
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
    if (into.hist.count == 0)
        return;
    into.hist.min = count_from_json(json.at("min"));
    if (!fits_buckets(into.hist))
        throw std::invalid_argument("min and max of " + into.name + " do not fit its buckets");
}

} // namespace testexp
