// SPDX-License-Identifier: GPL-2.0
#include "text.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace report {

namespace {

/* Columns of a terminal that UTF-8 @text takes: ours has no wide or combining characters. */
std::size_t width_of(const std::string& text) {
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; }));
}

std::string pad(const std::string& text, std::size_t width, bool right) {
    const std::string space(width - width_of(text), ' ');

    return right ? space + text : text + space;
}

constexpr std::size_t line_width = 120;
constexpr double bar_width = 40;

/*
 * @text in lines of line_width where there are spaces to break them at; "" stays "". Each line
 * begins with @indent.
 */
std::string wrap(const std::string& text, const std::string& indent = "") {
    std::string wrapped;
    std::string line;

    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find(' ', begin), text.size());
        const std::string word = text.substr(begin, end - begin);

        if (!line.empty() && width_of(indent) + width_of(line) + 1 + width_of(word) > line_width) {
            wrapped += indent + line + "\n";
            line.clear();
        }
        line += (line.empty() ? "" : " ") + word;
        begin = end + 1;
    }
    return line.empty() ? wrapped : wrapped + indent + line + "\n";
}

struct BlockWriter {
    std::string operator()(const Paragraph& paragraph) const { return wrap(paragraph.text); }

    std::string operator()(const Table& table) const {
        if (table.placement == Placement::page_only)
            return "";

        std::vector<std::size_t> widths;
        Row titles;
        std::string text = "\n" + wrap(table.caption) + wrap(table.note);

        if (table.is_wide) {
            for (const Row& row : table.rows)
                text += listed(table, row);
            return text;
        }
        for (const Column& column : table.columns) {
            widths.push_back(width_of(column.title));
            titles.cells.push_back(column.title);
        }
        for (const Row& row : table.rows) {
            for (std::size_t i = 0; i < row.cells.size(); i++)
                widths.at(i) = std::max(widths.at(i), width_of(row.cells[i]));
        }
        if (std::ranges::any_of(titles.cells, [](const auto& title) { return !title.empty(); }))
            text += line(table, titles, widths);
        for (const Row& row : table.rows)
            text += line(table, row, widths);
        return text;
    }

    std::string operator()(const Bars& bars) const {
        Table table{bars.caption, bars.note, {{"", false}, {"", true}, {"", false}}, {}};
        double largest = 0;

        for (const Bar& bar : bars.bars)
            largest = std::max(largest, bar.value);
        for (const Bar& bar : bars.bars) {
            const double share = largest > 0 ? bar.value / largest : 0;
            const auto length = static_cast<std::size_t>(std::lround(share * bar_width));

            table.rows.push_back({{bar.label, bar.text, std::string(length, '#')}, bar.tone});
        }
        return (*this)(table);
    }

    std::string operator()(const Chart&) const { return ""; }

    std::string operator()(const FlameGraph&) const { return ""; }

    std::string operator()(const Excerpt& excerpt) const {
        std::string text;

        for (const std::string& line : excerpt.lines)
            text += "  " + line + "\n";
        return text;
    }

    /* The first cell, and below it the other cells with their titles. */
    static std::string listed(const Table& table, const Row& row) {
        std::string text = wrap(row.cells.at(0), "  ");

        for (std::size_t i = 1; i < row.cells.size(); i++)
            text += wrap(table.columns.at(i).title + ": " + row.cells[i], "    ");
        return text;
    }

    static std::string line(const Table& table, const Row& row,
                            const std::vector<std::size_t>& widths) {
        std::string text;

        for (std::size_t i = 0; i < row.cells.size(); i++)
            text += "  " + pad(row.cells[i], widths.at(i), table.columns.at(i).is_number);
        text.erase(text.find_last_not_of(' ') + 1);
        return text + "\n";
    }
};

} // namespace

std::string to_text(const Document& document) {
    std::string text =
        document.title + "\n" + document.verdict.text + "\n" + wrap(document.subject);

    for (const Block& block : document.overview)
        text += std::visit(BlockWriter{}, block);
    for (const Section& section : document.sections) {
        text += fmt::format("\n== {} ==\n", section.title);
        for (const Block& block : section.blocks)
            text += std::visit(BlockWriter{}, block);
    }
    return text;
}

} // namespace report
