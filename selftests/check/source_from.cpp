// SPDX-License-Identifier: GPL-2.0
/*
 * A dma-buf that a command sends. The command goes on running while the laws are checked, so that
 * --revoke-by can talk to the command: its process group is in the variable DMABUF_CHECK_FROM.
 */
#include <cstdlib>
#include <memory>

#include "dma_buf_fd.hpp"
#include "sent_buffer.hpp"
#include "source.hpp"

namespace check {

namespace {

Source make(const std::string& argument, const Settings& settings) {
    auto sent = std::make_shared<testexp::SentBuffer>(
        testexp::SentBuffer::receive(argument, settings.from_timeout).value());
    Source source;

    source.name = exporter_of(sent->fd(), "--from '" + argument + "': what the command has sent") +
                  " from '" + argument + "'";
    source.buffer = sent->take();
    setenv("DMABUF_CHECK_FROM", std::to_string(sent->group()).c_str(), 1);
    source.keeps.push_back(std::move(sent));
    return source;
}

} // namespace

const SourceKind from_source = {
    "from", "COMMAND",
    "COMMAND sends one dma-buf through the Unix socket that is its descriptor 3 (SCM_RIGHTS)",
    make};

} // namespace check
