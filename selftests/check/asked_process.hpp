/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process that does what other processes ask for. Each question has a number, and the answer has
 * the same number. So the late answer to a caller that was killed is not taken for the next one.
 */
#pragma once

#include <functional>
#include <utility>

#include "child.hpp"

namespace check {

class AskedProcess {
public:
    /* Runs in the new process, once for each question. */
    using Fulfil = std::function<testexp::Status(char request)>;

    explicit AskedProcess(const Fulfil& fulfil);

    /* Any process may call this, one at a time. Throws std::runtime_error on failure. */
    void ask(char request) const;

    pid_t pid() const { return process_.pid(); }

private:
    using Ends = std::pair<testexp::Fd, testexp::Fd>; /* of a socket: ours, and the process's */

    AskedProcess(const Fulfil& fulfil, Ends ends);

    testexp::Fd socket_;
    testexp::Child process_;
};

} // namespace check
