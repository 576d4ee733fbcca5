// SPDX-License-Identifier: GPL-2.0
#include "processes.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <exception>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "child.hpp"
#include "signals.hpp"

namespace bench {

namespace {

using testexp::Child;
using testexp::Fd;
using testexp::Redirection;
using testexp::Result;

/* What the child finds its end of the pipe as. */
constexpr int out_fd = 3;
constexpr const char* out_path = "/dev/fd/3";

/* All that comes until the other end is closed. A signal to us is passed on once. */
std::string read_all(int fd, const Child& child) {
    std::array<char, 65536> part{};
    std::string text;
    bool is_stopped = false;

    for (;;) {
        if (caught_signal() != 0 && !is_stopped) {
            child.signal(SIGTERM);
            is_stopped = true;
        }

        const ssize_t length = read(fd, part.data(), part.size());

        if (length < 0 && errno == EINTR)
            continue;
        if (length <= 0)
            return text;
        text.append(part.data(), static_cast<std::size_t>(length));
    }
}

} // namespace

Result<ProcessEnd> run_process(std::vector<std::string> argv) {
    std::array<int, 2> ends{};

    argv.insert(argv.end(), {"--out", out_path});
    if (pipe2(ends.data(), O_CLOEXEC) != 0)
        return testexp::errno_error("cannot make a pipe");

    const Fd input(ends[0]);
    Fd output(ends[1]);
    Result<Child> child =
        Child::execute(std::move(argv), std::array{Redirection{output.get(), out_fd}});

    if (!child)
        return child.error();
    output.reset();

    std::string text = read_all(input.get(), child.value());

    return ProcessEnd{testexp::exit_status_of(child.value().wait()), std::move(text)};
}

int merge_statuses(int one, int other) {
    const auto has_failed = [](int status) { return status != 0 && status != nothing_measured; };

    if (has_failed(one) || has_failed(other))
        return std::max(has_failed(one) ? one : 0, has_failed(other) ? other : 0);
    return std::min(one, other);
}

Result<std::string> merge_processes(std::span<const std::string> texts) {
    nlohmann::ordered_json merged;

    for (std::size_t process = 0; process < texts.size(); process++) {
        try {
            auto json = nlohmann::ordered_json::parse(texts[process]);

            if (process == 0) {
                merged["context"] = json.at("context");
                merged["benchmarks"] = nlohmann::ordered_json::array();
            }
            for (auto& row : json.at("benchmarks")) {
                row["process"] = process;
                merged["benchmarks"].push_back(std::move(row));
            }
        } catch (const std::exception& error) {
            return testexp::Error{EINVAL, "process " + std::to_string(process + 1) +
                                              " gave no results: " + error.what()};
        }
    }
    return merged.dump(1) + "\n";
}

} // namespace bench
