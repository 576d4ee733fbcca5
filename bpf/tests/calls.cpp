// SPDX-License-Identifier: GPL-2.0
/*
 * Makes a given number of calls of each kind, in each of a given number of threads, all on one
 * buffer. A probe must count these calls. Prints nothing.
 */
#include <fmt/core.h>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <future>
#include <optional>
#include <span>
#include <vector>

#include "testexp.hpp"

namespace {

struct Calls {
    std::uint64_t unlocked = 0;
    std::uint64_t locked = 0;
    std::uint64_t maps = 0; /* each with its unmap */
    std::uint64_t threads = 1;
};

std::optional<std::uint64_t> parse(const char* text) {
    std::uint64_t number = 0;
    const char* end = text + std::strlen(text);
    const auto [stop, error] = std::from_chars(text, end, number);
    if (error != std::errc{} || stop != end)
        return std::nullopt;
    return number;
}

std::optional<Calls> parse(std::span<char*> words) {
    Calls calls;
    std::uint64_t* const into[] = {&calls.unlocked, &calls.locked, &calls.maps, &calls.threads};

    if (words.size() < 3 || words.size() > std::size(into))
        return std::nullopt;
    for (std::size_t i = 0; i < words.size(); i++) {
        const auto number = parse(words[i]);
        if (!number)
            return std::nullopt;
        *into[i] = *number;
    }
    return calls;
}

/* A call beyond the end of the buffer fails, but a probe must count it, too. */
void make_calls(const testexp::Importer& importer, const Calls& calls) {
    if (calls.unlocked)
        (void)importer.resolve(0, calls.unlocked).value();
    if (calls.locked)
        (void)importer.resolve(0, calls.locked, 1, TESTEXP_RESOLVE_LOCKED).value();
    for (std::uint64_t i = 0; i < calls.maps; i++)
        (void)importer.map().value();
}

void make_all_calls(const Calls& calls) {
    const testexp::Device device = testexp::Device::open().value();
    testexp::CreateSpec spec;
    spec.layout.ram(512);
    const testexp::Buffer buffer = device.create(spec).value();

    std::vector<std::future<void>> threads;
    for (std::uint64_t i = 0; i < calls.threads; i++)
        threads.push_back(std::async(std::launch::async, [&] {
            make_calls(device.attach(buffer.fd.get()).value(), calls);
        }));
    for (auto& thread : threads)
        thread.get();
}

} // namespace

int main(int argc, char** argv) {
    const auto calls = parse(std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
    if (!calls) {
        fmt::print(stderr, "usage: calls UNLOCKED LOCKED MAPS [THREADS]\n");
        return 2;
    }
    try {
        make_all_calls(*calls);
        return 0;
    } catch (const std::exception& problem) {
        fmt::print(stderr, "calls: {}\n", problem.what());
        return 1;
    }
}
