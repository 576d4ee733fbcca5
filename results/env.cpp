// SPDX-License-Identifier: GPL-2.0
/*
 * Writes env.json: what a reader must know of the machine, the kernel and the
 * module to judge the results beside it.
 */
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "environment_json.hpp"
#include "testexp.hpp"

namespace {

/* Nothing when the module cannot be asked: the rest is still worth recording. */
std::optional<testexp_info> ask_module() {
    const testexp::Result<testexp::Device> device = testexp::Device::open();

    if (device)
        return device.value().info();
    fmt::print(stderr, "results_env: api and abi stay unknown: {}\n", device.error().what);
    return std::nullopt;
}

bool write(std::ostream& output) {
    const auto json = testexp::environment_json(testexp::read_environment(ask_module()));

    /* what is not UTF-8, in a command line say, must not cost us the file */
    output << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    output.flush();
    return output.good();
}

int run_program(int argc, char** argv) {
    CLI::App app("Records the environment of results, as JSON.");
    std::string out;

    app.add_option("--out", out, "write there instead of standard output")->type_name("FILE");
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& success) {
        return app.exit(success);
    } catch (const CLI::ParseError& error) {
        fmt::print(stderr, "results_env: {}; see --help\n", error.what());
        return 1;
    }

    std::ofstream file;

    if (!out.empty())
        file.open(out);
    if (write(out.empty() ? std::cout : file))
        return 0;
    fmt::print(stderr, "results_env: {}\n",
               testexp::errno_error("cannot write " + (out.empty() ? "the result" : out)).what);
    return 1;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run_program(argc, argv);
    } catch (const std::exception& error) {
        /* no fmt here: it may throw too */
        std::fprintf(stderr, "results_env: %s\n", error.what());
        return 1;
    }
}
