// SPDX-License-Identifier: GPL-2.0
/*
 * Writes env.json: what a reader must know of machine, kernel and module to judge
 * the results in the same directory.
 */
#include <cstdio>
#include <exception>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "clock_facts.hpp"
#include "environment_json.hpp"
#include "output_file.hpp"
#include "testexp.hpp"

namespace {

/* Nothing without the module. The other facts are still worth recording. */
std::optional<testexp_info> ask_module() {
    const testexp::Result<testexp::Device> device = testexp::Device::open();

    if (device)
        return device.value().info();
    fmt::print(stderr, "bench_env: api and abi stay unknown: {}\n", device.error().what);
    return std::nullopt;
}

std::string to_text(const testexp::Environment& environment) {
    /* A command line may hold bytes that are not UTF-8. */
    return testexp::environment_json(environment)
               .dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
           "\n";
}

testexp::Status print(const std::string& text) {
    if (std::fputs(text.c_str(), stdout) == EOF || std::fflush(stdout) == EOF)
        return testexp::errno_error("cannot write to standard output");
    return std::monostate{};
}

testexp::Status write(const std::string& out) {
    const std::string text = to_text(testexp::read_environment(ask_module()));

    return out.empty() ? print(text) : testexp::write_file(out, text);
}

int run_program(int argc, char** argv) {
    CLI::App app("Records the environment of results, as JSON.");
    std::string out;
    bool clock = false;

    CLI::Option* file = app.add_option("--out", out, "write there instead of standard output");
    file->type_name("FILE");
    app.add_flag("--clock", clock, "print only what the clock is: icount, tsc or invalid")
        ->excludes(file);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& success) {
        return app.exit(success);
    } catch (const CLI::ParseError& error) {
        fmt::print(stderr, "bench_env: {}; see --help\n", error.what());
        return 1;
    }

    const testexp::Status written =
        clock ? print(testexp::judge_clock(testexp::read_clock_facts()).clock + "\n") : write(out);

    if (written)
        return 0;
    fmt::print(stderr, "bench_env: {}\n", written.error().what);
    return 1;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run_program(argc, argv);
    } catch (const std::exception& error) {
        /* no fmt here: it may throw too */
        std::fprintf(stderr, "bench_env: %s\n", error.what());
        return 1;
    }
}
