// SPDX-License-Identifier: GPL-2.0
#include "chart.hpp"

#include <algorithm>
#include <cstdio>
#include <memory>

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.hpp"

namespace report {

namespace {

using testexp::Error;
using testexp::Result;

struct Close {
    void operator()(FILE* file) const { std::fclose(file); }
};
using TemporaryFile = std::unique_ptr<FILE, Close>; /* has no name, so nothing is left behind */

/* As a gnuplot string in which nothing has a meaning. */
std::string quote(const std::string& text) {
    std::string quoted = "'";

    for (const char character : text) {
        if (character == '\'')
            quoted += "''";
        else
            quoted += static_cast<unsigned char>(character) < ' ' ? ' ' : character;
    }
    return quoted + "'";
}

std::string axis_script(const char* axis, const Axis& of) {
    std::string script = fmt::format("set {}label {}\n", axis, quote(of.label));

    if (of.log_base != 0)
        script += fmt::format("set logscale {} {}\n", axis, of.log_base);
    else if (of.from)
        script += fmt::format("set {}range [{}:*]\n", axis, *of.from);
    return script;
}

std::string read_all(FILE* file) {
    std::string text;
    char part[4096];

    std::rewind(file);
    while (const std::size_t length = std::fread(part, 1, sizeof(part), file))
        text.append(part, length);
    return text;
}

/* Runs gnuplot on @input. Returns its status as waitpid() has it. */
Result<int> run_gnuplot(FILE* input, FILE* output, FILE* messages) {
    const testexp::Redirection files[] = {{fileno(input), STDIN_FILENO},
                                          {fileno(output), STDOUT_FILENO},
                                          {fileno(messages), STDERR_FILENO}};
    Result<testexp::Child> gnuplot = testexp::Child::execute({"gnuplot"}, files);

    if (!gnuplot)
        return Error{gnuplot.code(),
                     "gnuplot does not start; install it: apt-get install gnuplot-nox"};
    return gnuplot.value().wait();
}

/* The first line that is not empty, or "". */
std::string first_line(const std::string& text) {
    const auto begin = text.find_first_not_of(" \r\n");

    return begin == std::string::npos ? "" : text.substr(begin, text.find('\n', begin) - begin);
}

/* Why gnuplot ended with @status; it may have been killed before it could say anything. */
Error describe_end(int status, const std::string& said) {
    const std::string end = WIFSIGNALED(status)
                                ? fmt::format("was killed by signal {}", WTERMSIG(status))
                                : fmt::format("ended with status {}", WEXITSTATUS(status));
    const std::string line = first_line(said);

    return {EINVAL, fmt::format("gnuplot {}{}{}", end, line.empty() ? "" : ": ", line)};
}

/* Without the XML prolog, which has no place inside HTML. */
Result<std::string> extract_svg(const std::string& output) {
    const auto begin = output.find("<svg");
    const auto end = output.rfind("</svg>");

    if (begin == std::string::npos || end == std::string::npos)
        return Error{EINVAL, "gnuplot drew nothing"};
    return output.substr(begin, end + 6 - begin);
}

} // namespace

std::string gnuplot_script(const Chart& chart) {
    const char* style = chart.marks ? "linespoints lw 2 pt 7 ps 0.6" : "lines lw 1.5";
    std::string script = "set terminal svg size 560,360 dynamic noenhanced font 'sans-serif,12' "
                         "background '#ffffff'\n"
                         "set title " +
                         quote(chart.title) +
                         "\n"
                         "set grid lc '#dddddd'\nset key outside top center horizontal\n"
                         "set border 3 lc '#555555'\nset xtics nomirror\nset ytics nomirror\n" +
                         axis_script("x", chart.x) + axis_script("y", chart.y);
    std::string plots;
    std::string data;

    for (const Series& series : chart.series) {
        if (series.points.empty())
            continue;
        plots += fmt::format("{}'-' using 1:2 with {} title {}", plots.empty() ? "plot " : ", ",
                             style, quote(series.name));
        for (const auto& [x, y] : series.points)
            data += fmt::format("{} {}\n", x, y);
        data += "e\n";
    }
    return script + plots + "\n" + data;
}

Result<std::string> draw_svg(const Chart& chart) {
    const TemporaryFile input(std::tmpfile());
    const TemporaryFile output(std::tmpfile());
    const TemporaryFile messages(std::tmpfile());
    const std::string script = gnuplot_script(chart);

    if (!input || !output || !messages)
        return testexp::errno_error("temporary file for a chart");
    if (std::ranges::all_of(chart.series, [](const auto& series) { return series.points.empty(); }))
        return Error{ENODATA, "chart '" + chart.title + "' has no points"};
    if (std::fwrite(script.data(), 1, script.size(), input.get()) != script.size() ||
        std::fflush(input.get()) != 0)
        return testexp::errno_error("temporary file for a chart");
    std::rewind(input.get());

    const Result<int> status = run_gnuplot(input.get(), output.get(), messages.get());

    if (!status)
        return status.error();
    if (status.value() != 0)
        return describe_end(status.value(), read_all(messages.get()));
    return extract_svg(read_all(output.get()));
}

} // namespace report
