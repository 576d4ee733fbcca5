// SPDX-License-Identifier: GPL-2.0
#include "clock_statement.hpp"

#include <fmt/format.h>

namespace report {

Paragraph clock_statement(const std::string& clock) {
    if (clock == "icount")
        return {"Clock icount: instructions were counted, not time. With the same compiler and "
                "configuration, every machine counts the same. The counts may be quoted.",
                Tone::good};
    if (clock == "tsc")
        return {"Clock tsc: real hardware, or a working KVM. Times may be quoted together with the "
                "machine.",
                Tone::good};
    return {"Clock invalid: the machine was emulated, or its TSC cannot be trusted. The times mean "
            "nothing and must not be quoted.",
            Tone::warning};
}

std::string unit_and_clock(const Bench& bench) {
    const std::string unit = bench.context_or("unit", "ticks");
    const std::string clock = bench.context_or("clock", "invalid");
    const char* debug = bench.context_or("forced_debug", "0") == "1" ? ", debug kernel" : "";

    return fmt::format("{} (clock: {}{})", unit, clock, debug);
}

std::vector<std::string> unmeasured(const Bench& bench) {
    std::vector<std::string> lines;

    for (const BenchCase& row : bench.cases) {
        if (!row.is_measured())
            lines.push_back(fmt::format("{} (clock: {}): {}", row.name,
                                        bench.context_or("clock", "invalid"), row.error));
    }
    return lines;
}

} // namespace report
