// SPDX-License-Identifier: GPL-2.0
/*
 * What dma-buf calls cost and who waits for whose reservation lock, on the running
 * kernel. Needs root; the module may be missing.
 */
#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <cstdio>
#include <exception>
#include <string_view>

#include "subcommands.hpp"
#include "tracing.hpp"

namespace {

/* Everything after "--" is the command, options of its own included. */
std::vector<std::string> split_command(int& argc, char** argv) {
    for (int i = 1; i < argc; i++) {
        if (std::string_view(argv[i]) != "--")
            continue;
        std::vector<std::string> command(argv + i + 1, argv + argc);
        argc = i;
        if (command.empty())
            throw CLI::ValidationError("--", "no command behind it");
        return command;
    }
    return {};
}

int run_main(int argc, char** argv) {
    CLI::App app("Latency of dma-buf calls of the running kernel:\n"
                 "dmabuf-lat SUBCOMMAND [OPTIONS] [-- COMMAND...]",
                 "dmabuf-lat");
    latency::Run run;

    try {
        const std::vector<std::string> command = split_command(argc, argv);
        for (latency::AddSubcommand* add : latency::subcommands)
            add(app, command, run);
        app.require_subcommand(1);
        app.parse(argc, argv);
        return run();
    } catch (const CLI::Success& help) {
        return app.exit(help);
    } catch (const CLI::ParseError& wrong) {
        latency::complain(fmt::format("{}; --help lists the options", wrong.what()));
        return 2;
    }
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run_main(argc, argv);
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "dmabuf-lat: %s\n", problem.what());
        return 1;
    }
}
