// SPDX-License-Identifier: GPL-2.0
/*
 * A dma-buf that a command sends. The command goes on running while the laws are checked, so that
 * --revoke-by can talk to the command: the number of its process is in the variable
 * DMABUF_CHECK_FROM.
 */
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "dma_buf_fd.hpp"
#include "sent_buffer.hpp"
#include "source.hpp"

namespace check {

namespace {

/* The helper send_dmabuf is beside this program. */
void find_helpers() {
    const char* path = getenv("PATH");
    const auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();

    setenv("PATH", ((path ? std::string(path) + ":" : "") + here.string()).c_str(), 1);
}

Source make(const std::string& argument, const Settings& settings) {
    find_helpers();

    auto sent = std::make_shared<testexp::SentBuffer>(
        testexp::SentBuffer::receive(argument, settings.from_timeout).value());
    Source source;

    source.name = exporter_of(sent->fd(), "--from '" + argument + "': what the command has sent") +
                  " from '" + argument + "'";
    source.buffer = sent->take();
    setenv("DMABUF_CHECK_FROM", std::to_string(sent->group()).c_str(), 1);
    source.keeps.push_back(std::move(sent));
    source.is_slow_to_make = true;
    if (settings.from_again)
        source.make_another = [argument, settings] { return make(argument, settings); };
    return source;
}

} // namespace

const SourceKind from_source = {
    "from", "COMMAND",
    "COMMAND sends one dma-buf through the Unix socket that is its descriptor 3 (SCM_RIGHTS)",
    make};

} // namespace check
