// SPDX-License-Identifier: GPL-2.0
#include "options.hpp"

#include <algorithm>
#include <sstream>
#include <vector>

#include <getopt.h>

#include "words.hpp"

namespace check {

namespace {

enum Choice {
    help_choice,
    list_choice,
    quick_choice,
    only_choice,
    pages_choice,
    require_choice,
    revoke_choice,
    restore_choice,
    from_timeout_choice,
    from_again_choice,
    revoke_timeout_choice,
    first_source
};

/* The table for getopt_long(). The sources come after the other options. */
std::vector<option> table() {
    std::vector<option> options = {
        {"help", no_argument, nullptr, help_choice},
        {"list", no_argument, nullptr, list_choice},
        {"quick", no_argument, nullptr, quick_choice},
        {"only", required_argument, nullptr, only_choice},
        {"pages", required_argument, nullptr, pages_choice},
        {"require", required_argument, nullptr, require_choice},
        {"revoke-by", required_argument, nullptr, revoke_choice},
        {"restore-by", required_argument, nullptr, restore_choice},
        {"from-timeout", required_argument, nullptr, from_timeout_choice},
        {"from-again", no_argument, nullptr, from_again_choice},
        {"revoke-timeout", required_argument, nullptr, revoke_timeout_choice},
    };
    int choice = first_source;

    for (const SourceKind* kind : source_kinds())
        options.push_back({kind->option, required_argument, nullptr, choice++});
    options.push_back({});
    return options;
}

[[noreturn]] void refuse(const std::string& text) {
    throw std::runtime_error(text + "; see --help");
}

std::chrono::seconds seconds_of(const char* argument, const char* option) {
    constexpr std::uint64_t longest = 24 * 60 * 60;
    const std::uint64_t number = number_of(argument, option);

    if (number == 0 || number > longest)
        refuse(std::string(option) + " must be 1 to " + std::to_string(longest) + " seconds");
    return std::chrono::seconds(number);
}

Need need_of(const std::string& word) {
    if (word == "get_pfn")
        return Need::get_pfn;
    if (word == "get_pfn_attrs")
        return Need::attributes;
    refuse("--require get_pfn or --require get_pfn_attrs, not '" + word + "'");
}

void choose_source(Options& options, const SourceKind& kind, const char* argument) {
    if (options.kind)
        refuse(std::string("--") + options.kind->option + " and --" + kind.option +
               ": name one source");
    options.kind = &kind;
    options.argument = argument;
}

void take(Options& options, int choice, const char* argument) {
    switch (choice) {
    case help_choice:
        options.help = true;
        break;
    case list_choice:
        options.list = true;
        break;
    case quick_choice:
        options.quick = true;
        break;
    case only_choice:
        options.only = argument;
        break;
    case pages_choice:
        options.page_limit = number_of(argument, "--pages");
        break;
    case require_choice:
        options.required.push_back(need_of(argument));
        break;
    case revoke_choice:
        options.revoke_by = argument;
        break;
    case restore_choice:
        options.restore_by = argument;
        break;
    case from_timeout_choice:
        options.settings.from_timeout = seconds_of(argument, "--from-timeout");
        break;
    case from_again_choice:
        options.settings.from_again = true;
        break;
    case revoke_timeout_choice:
        options.revoke_timeout = seconds_of(argument, "--revoke-timeout");
        break;
    default:
        choose_source(options, *source_kinds()[static_cast<std::size_t>(choice - first_source)],
                      argument);
    }
}

void check_complete(const Options& options) {
    if (options.help || options.list)
        return;
    if (!options.kind)
        refuse("name a source of the dma-buf, for example --udmabuf 2M");
    if (options.page_limit < 16)
        refuse("--pages must be at least 16");
    if (options.settings.from_again && options.kind != &from_source)
        refuse("--from-again needs --from");
    if (!options.restore_by.empty() && options.revoke_by.empty())
        refuse("--restore-by needs --revoke-by");
}

} // namespace

Options parse(std::span<char*> arguments) {
    const std::vector<option> known = table();
    Options options;

    opterr = 0;
    optind = 0; /* getopt begins anew, so that a test can parse twice */
    while (true) {
        const int choice = getopt_long(static_cast<int>(arguments.size()), arguments.data(), ":",
                                       known.data(), nullptr);
        const std::string word = arguments[static_cast<std::size_t>(std::max(optind - 1, 0))];

        if (choice == -1)
            break;
        if (choice == '?')
            refuse("unknown option '" + word + "'");
        if (choice == ':')
            refuse("the option '" + word + "' needs an argument");
        take(options, choice, optarg);
    }
    if (static_cast<std::size_t>(optind) != arguments.size())
        refuse("'" + std::string(arguments[static_cast<std::size_t>(optind)]) + "' is no option");
    check_complete(options);
    return options;
}

std::string help_text() {
    std::ostringstream out;

    out << "usage: dmabuf-check SOURCE [OPTION...]\n"
           "\n"
           "Checks whether an exporter's get_pfn keeps the contract, without knowledge of the\n"
           "layout. Needs root, and the module dmabuf_testexp as the importer. Prints KTAP.\n"
           "\n"
           "SOURCE is where the dma-buf comes from:\n";
    for (const SourceKind* kind : source_kinds())
        out << "  --" << kind->option << " " << kind->argument << "\n        " << kind->help
            << "\n";
    out << "\n"
           "OPTION:\n"
           "  --revoke-by COMMAND   a shell command that revokes the buffer; without --restore-by "
           "the\n"
           "                        buffer is revoked for good, and only by the last law\n"
           "  --restore-by COMMAND  a shell command that undoes the revoke\n"
           "  --revoke-timeout SEC  a law fails when a command of --revoke-by or --restore-by has "
           "not\n"
           "                        ended within SEC seconds (default 300)\n"
           "  --from-timeout SEC    give up when the command of --from has sent nothing within "
           "SEC\n"
           "                        seconds (default 60)\n"
           "  --from-again          the command of --from may be started again while it runs, and\n"
           "                        sends another buffer of the same size each time; some laws "
           "need\n"
           "                        a second buffer\n"
           "  --require CALLBACK    fail where the exporter has no get_pfn, or no get_pfn_attrs\n"
           "  --pages N             ask for every page of a buffer up to N pages (default "
           "1048576);\n"
           "                        of a larger buffer ask for borders, blocks and random pages\n"
           "  --only TEXT           check only laws with TEXT in their names; '*' stands for any "
           "text\n"
           "  --quick               check all laws, with fewer repetitions\n"
           "  --list                print all laws, the requirement of each, and what each needs\n"
           "\n"
           "Exit status: 0 no law is broken, 1 a law is broken, 2 the check cannot run, 4 nothing\n"
           "was checked. The last line counts: N passed, N failed, N skipped.\n";
    return out.str();
}

} // namespace check
