/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The report as data, between what was measured and how it is shown. No text in here is
 * escaped: html.cpp and text.cpp escape what they write.
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

/* Where a table can be seen. A long table that nobody must read first is not open. */
enum class Placement {
    open,
    folded,   /* closed in HTML until it is clicked; in the summary as any other */
    page_only /* folded in HTML, left out of the summary */
};

struct Table {
    std::string caption; /* what the table shows, in one line */
    std::string note;    /* what a reader must know about columns and rows, or "" */
    std::vector<Column> columns;
    std::vector<Row> rows;
    Placement placement = Placement::open;
    bool is_wide = false; /* in the summary each row is a list of its cells, one a line */
};

/* A value as a bar. Its length is the value, against the largest value of the same Bars. */
struct Bar {
    std::string label;
    double value = 0;
    std::string text; /* what stands at the end of the bar */
    Tone tone = Tone::plain;
};

/* A few values in a picture that needs no other program to draw it. */
struct Bars {
    std::string caption;
    std::string note;
    std::vector<Bar> bars;
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

using Block = std::variant<Paragraph, Table, Bars, Chart, Excerpt, FlameGraph>;

struct Section {
    std::string title;
    std::vector<Block> blocks;
    bool has_failed = false;                  /* something in it makes the run a failure */
    std::vector<std::string> unmeasured = {}; /* "what: why" */
};

struct Document {
    std::string title;
    std::string subject; /* what was tested on what */
    Paragraph verdict;
    std::vector<Block> overview; /* what a reader sees first */
    std::vector<Section> sections;
};

} // namespace report
