// SPDX-License-Identifier: GPL-2.0
#include "signals.hpp"

#include <csignal>
#include <initializer_list>

namespace bench {

namespace {

volatile std::sig_atomic_t caught = 0;

void remember(int number) {
    caught = number;
}

} // namespace

void catch_signals() {
    struct sigaction action = {};

    action.sa_handler = remember;
    /* no SA_RESTART: a long MEASURE has to return */
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    for (const int number : {SIGINT, SIGTERM, SIGHUP})
        sigaction(number, &action, nullptr);
}

int caught_signal() {
    return caught;
}

} // namespace bench
