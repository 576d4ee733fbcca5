/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A descriptor that a command sends through a socket. The descriptor may be of something else than
 * a dma-buf. The command runs for as long as the object exists.
 */
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "child.hpp"
#include "testexp.hpp"

namespace testexp {

/* The started command finds its end of the socket here. */
inline constexpr int socket_of_command = 3;

class SentBuffer {
public:
    /**
     * Starts @command with sh, and waits until the command has sent one descriptor (SCM_RIGHTS,
     * with at least one byte of data). Gives up after @limit. What the command prints goes to
     * standard error. The error's text is one line.
     */
    static Result<SentBuffer> receive(const std::string& command, std::chrono::seconds limit);

    SentBuffer(SentBuffer&&) = default;
    SentBuffer& operator=(SentBuffer&&) = delete;
    SentBuffer(const SentBuffer&) = delete;
    SentBuffer& operator=(const SentBuffer&) = delete;

    /* The command reads end of file. If it goes on, signals end the command and its children. */
    ~SentBuffer();

    int fd() const { return buffer_.get(); }
    Fd take() { return std::move(buffer_); }

    /* The process group of the command. */
    pid_t group() const { return command_->pid(); }

private:
    SentBuffer(Child command, Fd socket)
        : command_(std::make_unique<Child>(std::move(command))), socket_(std::move(socket)) {}

    Result<Fd> receive_buffer(std::chrono::seconds limit);
    std::string how_it_ended();

    std::unique_ptr<Child>
        command_; /* the leader of a process group; null when it was waited for */
    Fd socket_;
    Fd buffer_;
};

} // namespace testexp
