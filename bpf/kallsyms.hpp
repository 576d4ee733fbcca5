/* SPDX-License-Identifier: GPL-2.0 */
/* Names of kernel addresses, from /proc/kallsyms. */
#pragma once

#include <cstdint>
#include <istream>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace latency {

class Kallsyms {
public:
    /*
     * Reads functions and ops tables in the format of /proc/kallsyms; addresses that
     * are hidden are left out.
     */
    explicit Kallsyms(std::istream& text);

    /* The function that @address is in, or the address in hexadecimal. */
    std::string name(std::uint64_t address) const;

    /* The function that begins at @address; nothing when none does. */
    std::optional<std::string> function_at(std::uint64_t address) const;

    /* Whether there is a function with this name. */
    bool has(std::string_view function) const;

    /* Whether this is the name of one function only. */
    bool is_unique(std::string_view function) const;

    /* The addresses of symbols with the names that drivers give to their struct dma_buf_ops. */
    std::span<const std::uint64_t> ops_tables() const { return ops_tables_; }

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

    const Symbol* at_or_before(std::uint64_t address) const;

    std::vector<Symbol> symbols_; /* ascending */
    std::vector<std::uint64_t> ops_tables_;
};

} // namespace latency
