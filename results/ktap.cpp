// SPDX-License-Identifier: GPL-2.0
#include "ktap.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace report {

namespace {

/* The number that @text begins with, which is taken off. */
std::optional<std::size_t> take_number(std::string_view& text) {
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);

    if (error != std::errc())
        return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

bool take(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix))
        return false;
    text.remove_prefix(prefix.size());
    return true;
}

std::string trim(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t\r");

    if (begin == std::string_view::npos)
        return "";
    return std::string(text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1));
}

struct Parser {
    TestProgram program;
    std::optional<std::size_t> plan;
    std::string said; /* diagnostics since the last result */

    void line(std::string_view text) {
        if (text.starts_with("ok ") || text.starts_with("not ok "))
            result(text);
        else if (take(text, "1.."))
            plan_line(text);
        else if (take(text, "Bail out!"))
            add("(bailed out)", Outcome::fail, trim(text));
        else if (take(text, "# "))
            said.append(said.empty() ? "" : "; ").append(trim(text));
    }

    void plan_line(std::string_view text) {
        plan = take_number(text);
        /* "1..0 # SKIP why": the program as a whole */
        if (plan == 0U && text.find("SKIP") != std::string_view::npos)
            add("(all)", Outcome::skip, trim(text.substr(text.find("SKIP") + 4)));
    }

    void result(std::string_view text) {
        Outcome outcome = take(text, "not ") ? Outcome::fail : Outcome::pass;
        std::string reason = outcome == Outcome::fail ? said : "";

        take(text, "ok ");
        take_number(text);
        if (const auto directive = text.find("# SKIP"); directive != std::string_view::npos) {
            outcome = Outcome::skip;
            reason = trim(text.substr(directive + 6));
            text = text.substr(0, directive);
        }

        std::string_view name = text;

        take(name, " ");
        take(name, "- ");
        add(trim(name), outcome, reason);
    }

    void add(const std::string& name, Outcome outcome, const std::string& reason) {
        program.results.push_back({name, outcome, reason});
        said.clear();
    }

    void finish() {
        const std::size_t seen = program.results.size();

        if (!plan)
            add("(plan)", Outcome::fail, "printed no plan: it did not start, or this is no KTAP");
        else if (*plan != 0 && *plan != seen)
            add("(plan)", Outcome::fail,
                "planned " + std::to_string(*plan) + " tests but reported " + std::to_string(seen));
    }
};

} // namespace

int TestProgram::count(Outcome outcome) const {
    return static_cast<int>(
        std::ranges::count(results, outcome, [](const auto& result) { return result.outcome; }));
}

TestProgram parse_ktap(const std::string& name, std::istream& input) {
    Parser parser;

    parser.program.name = name;
    for (std::string line; std::getline(input, line);)
        parser.line(line);
    parser.finish();
    return parser.program;
}

} // namespace report
