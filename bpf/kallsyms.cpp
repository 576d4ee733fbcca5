// SPDX-License-Identifier: GPL-2.0
#include "kallsyms.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>
#include <string_view>

namespace latency {
namespace {

/* Tracing itself puts functions with these names on the stack. */
bool is_of_tracing(std::string_view name) {
    return name.starts_with("bpf_") || name.starts_with("ww_mutex_") ||
           name.starts_with("kretprobe_") || name.starts_with("arch_rethook_") ||
           name.starts_with("kprobe_") || name.starts_with("ftrace_") ||
           name.starts_with("__ww_mutex_lock") || name.starts_with("__mutex_unlock_slowpath");
}

/* From here on all stacks are alike. */
bool is_entry(std::string_view name) {
    return name.starts_with("do_syscall_") || name.starts_with("__x64_sys_") ||
           name.starts_with("x64_sys_call") || name.starts_with("entry_SYSCALL") ||
           name.starts_with("ret_from_fork");
}

/* The many tables of pipes do not belong to dma-bufs. */
bool is_ops_table(char type, std::string_view name) {
    return std::string_view("dDrR").find(type) != std::string_view::npos &&
           (name.ends_with("dmabuf_ops") || name.ends_with("dma_buf_ops") ||
            name.ends_with("heap_buf_ops"));
}

} // namespace

Kallsyms::Kallsyms(std::istream& text) {
    std::string line;

    while (std::getline(text, line)) {
        std::istringstream words(line);
        std::string address;
        std::string name;
        char type = 0;
        Symbol symbol{};

        if (!(words >> address >> type >> name))
            continue;
        std::from_chars(address.data(), address.data() + address.size(), symbol.address, 16);
        if (symbol.address == 0)
            continue;
        if (is_ops_table(type, name))
            ops_tables_.push_back(symbol.address);
        if (type != 't' && type != 'T')
            continue;
        symbol.name = name;
        symbols_.push_back(symbol);
    }
    std::ranges::stable_sort(symbols_, {}, &Symbol::address);
}

const Kallsyms::Symbol* Kallsyms::at_or_before(std::uint64_t address) const {
    const auto after = std::ranges::upper_bound(symbols_, address, {}, &Symbol::address);

    return after == symbols_.begin() ? nullptr : &*std::prev(after);
}

std::string Kallsyms::name(std::uint64_t address) const {
    if (const Symbol* symbol = at_or_before(address))
        return symbol->name;
    std::ostringstream hex;
    hex << "0x" << std::hex << address;
    return hex.str();
}

std::optional<std::string> Kallsyms::function_at(std::uint64_t address) const {
    const Symbol* symbol = at_or_before(address);

    return symbol && symbol->address == address ? std::optional(symbol->name) : std::nullopt;
}

bool Kallsyms::has(std::string_view function) const {
    return std::ranges::find(symbols_, function, &Symbol::name) != symbols_.end();
}

bool Kallsyms::is_unique(std::string_view function) const {
    return std::ranges::count(symbols_, function, &Symbol::name) == 1;
}

std::string Kallsyms::stack(std::span<const std::uint64_t> addresses, std::size_t depth) const {
    std::string text;

    for (const std::uint64_t address : addresses) {
        /* after a call at the end of a function, the return address is in the next function */
        const std::string function = name(address - 1);
        if (depth == 0 || address == 0 || is_entry(function))
            break;
        if (text.empty() && is_of_tracing(function))
            continue;
        text += (text.empty() ? "" : "<") + function;
        depth--;
    }
    return text.empty() ? "unknown" : text;
}

} // namespace latency
