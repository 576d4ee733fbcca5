// SPDX-License-Identifier: GPL-2.0
#include "revoke_command.hpp"

#include <stdexcept>

#include "child.hpp"

namespace check {

namespace {

/* Standard output is KTAP, so what the command prints goes to standard error. */
void run(const std::string& command) {
    const testexp::Redirection to_stderr[] = {{2, 1}};
    testexp::Result<testexp::Child> child =
        testexp::Child::execute({"/bin/sh", "-c", command}, to_stderr);
    const int status = testexp::exit_status_of(child.value().wait());

    if (status != 0)
        throw std::runtime_error("'" + command + "' ended with status " + std::to_string(status));
}

} // namespace

Invalidation invalidation_by(const std::string& revoke, const std::string& restore) {
    Invalidation invalidation{
        .name = "'" + revoke + "'", .take = [=] { run(revoke); }, .give_back = {}};

    if (!restore.empty())
        invalidation.give_back = [=] { run(restore); };
    return invalidation;
}

} // namespace check
