// SPDX-License-Identifier: GPL-2.0
#include "asked_process.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include <sys/socket.h>
#include <unistd.h>

namespace check {

using namespace testexp;

namespace {

struct Question {
    std::uint64_t number;
    char request;
};

struct Answered {
    std::uint64_t number;       /* of the question */
    std::array<char, 512> text; /* what went wrong, or an empty text; ends with a null character */
};

std::pair<Fd, Fd> make_socket() {
    std::array<int, 2> ends{};

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) < 0)
        throw std::runtime_error(errno_error("socketpair").what);
    return {Fd(ends[0]), Fd(ends[1])};
}

/* No other question has this number, also when another process asks. */
std::uint64_t next_number() {
    static std::uint32_t count = 0;

    return static_cast<std::uint64_t>(getpid()) << 32 | ++count;
}

Answered answer_to(const Question& question, const Status& status) {
    Answered answer{.number = question.number, .text = {}};

    if (!status)
        std::string_view(status.error().what).copy(answer.text.data(), answer.text.size() - 1);
    return answer;
}

/* Runs in the new process until the other end of the socket is closed. */
int serve(const AskedProcess::Fulfil& fulfil, const Fd& socket) {
    Question question{};

    while (recv(socket.get(), &question, sizeof(question), 0) == sizeof(question)) {
        const Answered answer = answer_to(question, fulfil(question.request));

        if (send(socket.get(), &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
            return 1;
    }
    return 0;
}

} // namespace

AskedProcess::AskedProcess(const Fulfil& fulfil) : AskedProcess(fulfil, make_socket()) {
}

AskedProcess::AskedProcess(const Fulfil& fulfil, Ends ends)
    : socket_(std::move(ends.first)), process_([&] {
          socket_.reset();
          return serve(fulfil, ends.second);
      }) {
}

void AskedProcess::ask(char request) const {
    const Question question{.number = next_number(), .request = request};
    Answered answer{};

    if (send(socket_.get(), &question, sizeof(question), MSG_NOSIGNAL) != sizeof(question))
        throw std::runtime_error(errno_error("the process that is asked").what);
    do
        if (recv(socket_.get(), &answer, sizeof(answer), 0) != sizeof(answer))
            throw std::runtime_error("the process that is asked has ended");
    while (answer.number != question.number);
    if (answer.text.front() != '\0')
        throw std::runtime_error(answer.text.data());
}

} // namespace check
