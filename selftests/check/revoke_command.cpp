// SPDX-License-Identifier: GPL-2.0
#include "revoke_command.hpp"

#include <stdexcept>

#include "child.hpp"

namespace check {

namespace {

/*
 * Standard output is KTAP, so what the command prints goes to standard error. The harness kills the
 * process group of the law at its end, and with the group what a killed shell has started.
 */
void run(const std::string& command, std::chrono::seconds limit) {
    const testexp::Redirection to_stderr[] = {{2, 1}};
    testexp::Result<testexp::Child> child =
        testexp::Child::execute({"/bin/sh", "-c", command}, to_stderr);

    if (!testexp::ends_within(child.value(), limit)) {
        child.value().kill();
        (void)child.value().wait();
        throw std::runtime_error("'" + command + "' has not ended within " +
                                 std::to_string(limit.count()) +
                                 " s; --revoke-timeout changes this limit");
    }

    const int status = testexp::exit_status_of(child.value().wait());

    if (status != 0)
        throw std::runtime_error("'" + command + "' ended with status " + std::to_string(status));
}

} // namespace

Invalidation invalidation_by(const std::string& revoke, const std::string& restore,
                             std::chrono::seconds limit) {
    Invalidation invalidation{
        .name = "'" + revoke + "'", .take = [=] { run(revoke, limit); }, .give_back = {}};

    if (!restore.empty())
        invalidation.give_back = [=] { run(restore, limit); };
    return invalidation;
}

} // namespace check
