// SPDX-License-Identifier: GPL-2.0
#include "html.hpp"

#include <fmt/format.h>

#include "flame.hpp"

namespace report {

namespace {

constexpr const char* style = R"(
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 1160px;
       margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.6rem; margin: 0 0 .8rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; padding-bottom: .2rem; border-bottom: 2px solid #ddd; }
nav { margin: .8rem 0; } nav a { margin-right: 1.2rem; color: #1a5fb4; text-decoration: none; }
p.good, p.warning, p.bad { padding: .5rem .8rem; border-left: 4px solid; border-radius: 2px; }
p.good { border-color: #2e8b57; background: #eef8f1; }
p.warning { border-color: #d9930d; background: #fdf6e5; }
p.bad { border-color: #c0322b; background: #fcedec; }
p.verdict { font-size: 1.1rem; font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .8rem 0 1.2rem; font-size: .87rem; }
caption { text-align: left; color: #555; padding: .3rem 0; }
th, td { padding: .22rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid #e6e6e6; }
th { background: #f4f4f4; border-bottom: 2px solid #ccc; }
th, td.number, td:first-child { white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
td:last-child:not(.number) { overflow-wrap: anywhere; }
tr.good td { background: #eef8f1; } tr.warning td { background: #fdf6e5; } tr.bad td { background: #fcedec; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(480px, 1fr)); gap: 1rem; }
svg.flame { width: 100%; height: auto; }
.charts svg { width: 100%; height: auto; border: 1px solid #e6e6e6; }
pre { background: #f7f7f7; border: 1px solid #e6e6e6; padding: .7rem; overflow-x: auto; font-size: .82rem;
      white-space: pre-wrap; overflow-wrap: anywhere; }
summary { cursor: pointer; color: #1a5fb4; margin: .6rem 0; }
)";

std::string tone_class(Tone tone) {
    switch (tone) {
    case Tone::good:
        return "good";
    case Tone::warning:
        return "warning";
    case Tone::bad:
        return "bad";
    default:
        return "plain";
    }
}

std::string cell(const char* tag, const std::string& text, bool is_number) {
    return fmt::format("<{0}{1}>{2}</{0}>", tag, is_number ? " class=\"number\"" : "",
                       escape_html(text));
}

std::string table_body(const Table& table) {
    std::string html = "<div class=\"scroll\"><table>\n";

    if (!table.is_detail && !table.caption.empty())
        html += fmt::format("<caption>{}</caption>\n", escape_html(table.caption));
    html += "<thead><tr>";
    for (const Column& column : table.columns)
        html += cell("th", column.title, column.is_number);
    html += "</tr></thead>\n<tbody>\n";
    for (const Row& row : table.rows) {
        html += fmt::format("<tr class=\"{}\">", tone_class(row.tone));
        for (std::size_t i = 0; i < row.cells.size(); i++)
            html += cell("td", row.cells[i], table.columns.at(i).is_number);
        html += "</tr>\n";
    }
    return html + "</tbody></table></div>\n";
}

struct BlockWriter {
    const DrawChart& draw;

    std::string operator()(const Paragraph& paragraph) const {
        return fmt::format("<p class=\"{}\">{}</p>\n", tone_class(paragraph.tone),
                           escape_html(paragraph.text));
    }

    std::string operator()(const Table& table) const {
        if (!table.is_detail)
            return table_body(table);
        return fmt::format("<details><summary>{}</summary>\n{}</details>\n",
                           escape_html(table.caption), table_body(table));
    }

    std::string operator()(const Chart& chart) const {
        const testexp::Result<std::string> svg = draw(chart);

        if (svg)
            return svg.value() + "\n";
        return (*this)(
            Paragraph{"No chart '" + chart.title + "': " + svg.error().what, Tone::warning});
    }

    std::string operator()(const FlameGraph& graph) const {
        return fmt::format("<details open><summary>Flame graph: {}</summary>\n{}</details>\n",
                           escape_html(graph.title), draw_flame_graph(graph));
    }

    std::string operator()(const Excerpt& excerpt) const {
        std::string html = "<pre>";

        for (const std::string& line : excerpt.lines)
            html += escape_html(line) + "\n";
        return html + "</pre>\n";
    }
};

/* Charts that follow one another share a grid. */
std::string section_body(const Section& section, const DrawChart& draw) {
    std::string html;
    bool in_charts = false;

    for (const Block& block : section.blocks) {
        const bool is_chart = std::holds_alternative<Chart>(block);

        if (is_chart != in_charts)
            html += is_chart ? "<div class=\"charts\">\n" : "</div>\n";
        in_charts = is_chart;
        html += std::visit(BlockWriter{draw}, block);
    }
    return html + (in_charts ? "</div>\n" : "");
}

} // namespace

std::string escape_html(const std::string& text) {
    std::string escaped;

    for (const char character : text) {
        switch (character) {
        case '&':
            escaped += "&amp;";
            break;
        case '<':
            escaped += "&lt;";
            break;
        case '>':
            escaped += "&gt;";
            break;
        case '"':
            escaped += "&quot;";
            break;
        case '\'':
            escaped += "&#39;";
            break;
        default:
            /* control characters are not allowed in HTML, whatever a log holds */
            escaped += static_cast<unsigned char>(character) < ' ' ? ' ' : character;
        }
    }
    return escaped;
}

std::string to_html(const Document& document, const DrawChart& draw) {
    std::string html =
        fmt::format("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
                    "<meta charset=\"utf-8\">\n<title>{0}</title>\n"
                    "<style>{1}</style>\n</head>\n<body>\n<h1>{0}</h1>\n"
                    "<p class=\"verdict {2}\">{3}</p>\n<nav>",
                    escape_html(document.title), style, tone_class(document.verdict.tone),
                    escape_html(document.verdict.text));

    for (std::size_t i = 0; i < document.sections.size(); i++)
        html += fmt::format("<a href=\"#s{}\">{}</a>", i, escape_html(document.sections[i].title));
    html += "</nav>\n";
    for (std::size_t i = 0; i < document.sections.size(); i++) {
        html +=
            fmt::format("<h2 id=\"s{}\">{}</h2>\n{}", i, escape_html(document.sections[i].title),
                        section_body(document.sections[i], draw));
    }
    return html + "</body>\n</html>\n";
}

} // namespace report
