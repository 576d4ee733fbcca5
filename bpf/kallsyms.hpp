/* SPDX-License-Identifier: GPL-2.0 */
/* Names of kernel addresses, from /proc/kallsyms. */
#pragma once

#include <cstdint>
#include <istream>
#include <span>
#include <string>
#include <vector>

namespace latency {

class Kallsyms {
public:
    /* Reads functions in the format of /proc/kallsyms; addresses that are hidden are left out. */
    explicit Kallsyms(std::istream& text);

    /* The function that @address is in, or the address in hexadecimal. */
    std::string name(std::uint64_t address) const;

    /**
     * A stack, innermost first, as text "lock taker<caller<...". What lies above the
     * traced function (BPF's own frames) is left out, and so is all from the system
     * call's entry on; at most @depth functions.
     */
    std::string stack(std::span<const std::uint64_t> addresses, std::size_t depth) const;

private:
    struct Symbol {
        std::uint64_t address;
        std::string name;
    };

    std::vector<Symbol> symbols_; /* ascending */
};

} // namespace latency
