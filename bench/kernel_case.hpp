/* SPDX-License-Identifier: GPL-2.0 */
/* A benchmark case whose loop and clock are the module's: Google Benchmark only repeats it. */
#pragma once

#include <functional>
#include <map>
#include <string>

#include "testexp.hpp"

namespace bench {

/* Measures once: some batches of operations. */
using Measure = std::function<testexp::Result<testexp::Measurement>()>;

/* Counters of a case that are no measurements. Called after the last measurement. */
using Facts = std::function<std::map<std::string, double>()>;

/**
 * Registers a case under @name. @prepare runs once before the first measurement. What the
 * returned Measure owns, for instance a tracer, stays alive until the last measurement.
 */
void register_case(const std::string& name, const testexp::Device& device,
                   const std::function<testexp::Result<Measure>()>& prepare,
                   const Facts& facts = {});

} // namespace bench
