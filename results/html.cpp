// SPDX-License-Identifier: GPL-2.0
#include "html.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flame.hpp"

namespace report {

namespace {

constexpr const char* style = R"(
:root { color-scheme: light dark; --text: #222; --muted: #5c5c5c; --back: #fff; --line: #ddd;
        --head: #f4f4f4; --link: #1a5fb4; --bar: #6c8ebf; --good: #2e8b57; --good-back: #eef8f1;
        --warning: #d9930d; --warning-back: #fdf6e5; --bad: #c0322b; --bad-back: #fcedec; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e4e4e4; --muted: #a3a3a3; --back: #17191c; --line: #3a3d42; --head: #24272b;
          --link: #8ab8f5; --bar: #5c7fb3; --good: #4caf7a; --good-back: #15291d;
          --warning: #e0a733; --warning-back: #2d2612; --bad: #e2685f; --bad-back: #331a18; }
  .charts svg, svg.flame { filter: invert(.91) hue-rotate(180deg); } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back);
       max-width: 1160px; margin: 1.2rem auto; padding: 0 1.2rem; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; padding-bottom: .2rem;
     border-bottom: 2px solid var(--line); }
nav { margin: 1rem 0; } nav a { display: inline-block; margin-right: 1.1rem; color: var(--link);
      text-decoration: none; }
p.subject { color: var(--muted); margin: 0 0 .6rem; }
p.good, p.warning, p.bad { padding: .4rem .8rem; border-left: 4px solid; border-radius: 2px; }
p.good { border-color: var(--good); background: var(--good-back); }
p.warning { border-color: var(--warning); background: var(--warning-back); }
p.bad { border-color: var(--bad); background: var(--bad-back); }
p.verdict { font-size: 1.05rem; font-weight: 600; margin: .6rem 0; }
.note { color: var(--muted); font-weight: normal; font-size: .92em; max-width: 62rem; }
.scroll { overflow-x: auto; margin: .8rem 0 1.2rem; }
.name { font-weight: 600; margin: 1.2rem 0 0; } .name + .note { margin: .1rem 0; }
table { border-collapse: collapse; font-size: .87rem; }
th, td { padding: .2rem .7rem; text-align: left; vertical-align: top;
         border-bottom: 1px solid var(--line); }
th { background: var(--head); border-bottom: 2px solid var(--line); }
th, td.number, td:first-child:not(:last-child) { white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
td:last-child:not(.number) { overflow-wrap: anywhere; min-width: 12rem; }
tr.good td { background: var(--good-back); } tr.warning td { background: var(--warning-back); }
tr.bad td { background: var(--bad-back); }
.figures, .charts { display: grid; gap: 1rem; }
.figures { align-items: start; grid-template-columns: minmax(0, 1fr); }
@media (min-width: 800px) { .figures:has(figure + figure) { grid-template-columns: 3fr 2fr; }
  .figures figure:first-child:not(:nth-last-child(2)) { grid-row: span 2; } }
.charts { grid-template-columns: repeat(auto-fill, minmax(min(480px, 100%), 1fr));
          margin: .8rem 0; }
figure { margin: 0; padding: .6rem .8rem; border: 1px solid var(--line); border-radius: 4px; }
figcaption { font-weight: 600; line-height: 1.35; margin-bottom: .4rem; }
figure p.note { margin: .4rem 0 0; }
.bars { display: grid; grid-template-columns: max-content minmax(3rem, 1fr) max-content;
        font-size: .87rem; gap: .1rem .6rem; align-items: center; }
.bars .track { height: .8rem; } .bars .fill { height: 100%; background: var(--bar); }
@media (max-width: 500px) { body { padding: 0 .6rem; } figure { padding: .5rem; }
  .bars { font-size: .78rem; gap: .1rem .35rem;
          grid-template-columns: max-content minmax(1rem, 1fr) max-content; } }
.fill.good { background: var(--good); } .fill.warning { background: var(--warning); }
.fill.bad { background: var(--bad); }
svg.flame { width: 100%; height: auto; background: #fff; }
.charts svg { width: 100%; height: auto; border: 1px solid #e6e6e6; }
pre { background: var(--head); border: 1px solid var(--line); padding: .7rem; font-size: .82rem;
      white-space: pre-wrap; overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--link); margin: .6rem 0; }
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

std::string note_line(const std::string& note) {
    return note.empty() ? "" : fmt::format("<p class=\"note\">{}</p>\n", escape_html(note));
}

/* "" when no column has a title. */
std::string table_head(const Table& table) {
    std::string html = "<thead><tr>";

    if (std::ranges::all_of(table.columns, &std::string::empty, &Column::title))
        return "";
    for (const Column& column : table.columns)
        html += cell("th", column.title, column.is_number);
    return html + "</tr></thead>\n";
}

std::string table_grid(const Table& table) {
    std::string html = "<div class=\"scroll\"><table>\n" + table_head(table) + "<tbody>\n";

    for (const Row& row : table.rows) {
        html += fmt::format("<tr class=\"{}\">", tone_class(row.tone));
        for (std::size_t i = 0; i < row.cells.size(); i++)
            html += cell("td", row.cells[i], table.columns.at(i).is_number);
        html += "</tr>\n";
    }
    return html + "</tbody></table></div>\n";
}

std::string bar_line(const Bar& bar, double largest) {
    const double percent = largest > 0 ? 100 * bar.value / largest : 0;

    return fmt::format("<span>{}</span><div class=\"track\"><div class=\"fill {}\" "
                       "style=\"width:{:.1f}%\"></div></div><span class=\"number\">{}</span>\n",
                       escape_html(bar.label), tone_class(bar.tone), percent,
                       escape_html(bar.text));
}

struct BlockWriter {
    const DrawChart& draw;

    std::string operator()(const Paragraph& paragraph) const {
        return fmt::format("<p class=\"{}\">{}</p>\n", tone_class(paragraph.tone),
                           escape_html(paragraph.text));
    }

    std::string operator()(const Table& table) const {
        const std::string body = note_line(table.note) + table_grid(table);

        if (table.placement != Placement::open)
            return fmt::format("<details><summary>{}</summary>\n{}</details>\n",
                               escape_html(table.caption), body);
        if (table.caption.empty())
            return body;
        return fmt::format("<p class=\"name\">{}</p>\n{}", escape_html(table.caption), body);
    }

    std::string operator()(const Bars& bars) const {
        std::string lines;
        double largest = 0;

        for (const Bar& bar : bars.bars)
            largest = std::max(largest, bar.value);
        for (const Bar& bar : bars.bars)
            lines += bar_line(bar, largest);
        return fmt::format("<figure><figcaption>{}</figcaption>\n<div class=\"bars\">\n{}</div>\n"
                           "{}</figure>\n",
                           escape_html(bars.caption), lines, note_line(bars.note));
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

/* The class of the grid that a block shares with its neighbours of the same kind, or "". */
std::string grid_of(const Block& block) {
    if (std::holds_alternative<Chart>(block))
        return "charts";
    return std::holds_alternative<Bars>(block) ? "figures" : "";
}

std::string write_blocks(const std::vector<Block>& blocks, const DrawChart& draw) {
    std::string html;
    std::string open;

    for (const Block& block : blocks) {
        const std::string grid = grid_of(block);

        if (grid != open) {
            html += open.empty() ? "" : "</div>\n";
            html += grid.empty() ? "" : fmt::format("<div class=\"{}\">\n", grid);
        }
        open = grid;
        html += std::visit(BlockWriter{draw}, block);
    }
    return html + (open.empty() ? "" : "</div>\n");
}

std::string table_of_contents(const std::vector<Section>& sections) {
    std::string html = "<nav>";

    for (std::size_t i = 0; i < sections.size(); i++)
        html += fmt::format("<a href=\"#s{}\">{}</a>\n", i, escape_html(sections[i].title));
    return html + "</nav>\n";
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
        fmt::format("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                    "<title>{0}</title>\n<style>{1}</style>\n</head>\n<body>\n<h1>{0}</h1>\n"
                    "<p class=\"subject\">{2}</p>\n<p class=\"verdict {3}\">{4}</p>\n",
                    escape_html(document.title), style, escape_html(document.subject),
                    tone_class(document.verdict.tone), escape_html(document.verdict.text));

    html += write_blocks(document.overview, draw) + table_of_contents(document.sections);
    for (std::size_t i = 0; i < document.sections.size(); i++) {
        const Section& section = document.sections[i];

        html += fmt::format("<h2 id=\"s{}\">{}</h2>\n{}", i, escape_html(section.title),
                            write_blocks(section.blocks, draw));
    }
    return html + "</body>\n</html>\n";
}

} // namespace report
