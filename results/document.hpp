/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A report as data, between what was measured and how it is shown. Nothing in
 * here is escaped: that is the business of whoever writes it out.
 */
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace report {

enum class Tone { plain, good, warning, bad };

struct Paragraph {
    std::string text;
    Tone tone = Tone::plain;
};

struct Column {
    std::string title;
    bool is_number = false;
};

struct Row {
    std::vector<std::string> cells; /* one for each column */
    Tone tone = Tone::plain;
};

struct Table {
    std::string caption;
    std::vector<Column> columns;
    std::vector<Row> rows;
    bool is_detail = false; /* folded away in HTML, left out of the summary */
};

struct Series {
    std::string name;
    std::vector<std::pair<double, double>> points; /* ascending x */
};

struct Axis {
    std::string label;
    int log_base = 0;                /* 0 is linear */
    std::optional<double> from = {}; /* where a linear axis begins, if not at the first value */
};

struct Chart {
    std::string title;
    Axis x;
    Axis y;
    bool marks = true; /* a mark at each point */
    std::vector<Series> series;
};

/* Output of something else, line by line. */
struct Excerpt {
    std::vector<std::string> lines;
};

/* "outermost;...;innermost", and how many samples had it. */
struct Stack {
    std::string frames;
    std::uint64_t count = 0;
};

std::vector<std::string> split_frames(const Stack& stack);

struct FlameGraph {
    std::string title;
    std::vector<Stack> stacks;
};

using Block = std::variant<Paragraph, Table, Chart, Excerpt, FlameGraph>;

struct Section {
    std::string title;
    std::vector<Block> blocks;
};

struct Document {
    std::string title;
    Paragraph verdict;
    std::vector<Section> sections;
};

} // namespace report
