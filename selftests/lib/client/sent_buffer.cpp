// SPDX-License-Identifier: GPL-2.0
#include "sent_buffer.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <vector>

#include <poll.h>
#include <sys/socket.h>

namespace testexp {

namespace {

/* More than one, so that a command that sends two descriptors is noticed. */
constexpr std::size_t most_descriptors = 8;
constexpr auto time_to_end = std::chrono::seconds(5);
constexpr auto time_to_stop = std::chrono::seconds(5);

std::string quoted(const std::string& command) {
    return "--from '" + command + "'";
}

/* The descriptors that came with a message. */
std::vector<Fd> descriptors_in(msghdr& message) {
    std::vector<Fd> found;

    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
         part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;

        std::vector<int> numbers((part->cmsg_len - CMSG_LEN(0)) / sizeof(int));

        std::memcpy(numbers.data(), CMSG_DATA(part), numbers.size() * sizeof(int));
        for (const int number : numbers)
            found.emplace_back(number);
    }
    return found;
}

/* Waits until the socket can be read. */
Status wait_for_message(const Fd& socket, std::chrono::seconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;

    while (true) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            end - std::chrono::steady_clock::now());
        pollfd waiting{socket.get(), POLLIN, 0};

        if (left.count() <= 0)
            return Error{ETIMEDOUT, "has sent nothing within " + std::to_string(limit.count()) +
                                        " s; --from-timeout changes this limit"};
        if (poll(&waiting, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 1000))) > 0)
            return std::monostate{};
    }
}

struct Message {
    bool has_ended = false; /* the other end of the socket is closed */
    std::vector<Fd> descriptors;
};

Result<Message> read_message(const Fd& socket) {
    std::array<char, 256> text{};
    iovec data{text.data(), text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(most_descriptors * sizeof(int))> control{};
    msghdr message{};

    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();

    const ssize_t length = recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC);

    if (length < 0 && errno != ECONNRESET)
        return errno_error("recvmsg");
    return Message{length <= 0, length > 0 ? descriptors_in(message) : std::vector<Fd>{}};
}

/* The one descriptor of the message, or what is wrong with the message. */
Result<Fd> only_descriptor(Message& message) {
    if (message.descriptors.empty())
        return Error{EPROTO, "has sent a message without a descriptor; send one with SCM_RIGHTS"};
    if (message.descriptors.size() > 1)
        return Error{EPROTO, "has sent " + std::to_string(message.descriptors.size()) +
                                 " descriptors; send one"};
    return std::move(message.descriptors[0]);
}

} // namespace

Result<SentBuffer> SentBuffer::receive(const std::string& command, std::chrono::seconds limit) {
    std::array<int, 2> ends{};

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) < 0)
        return errno_error("socketpair");

    Fd ours(ends[0]);
    Fd theirs(ends[1]);
    /*
     * Standard output belongs to the caller, so the command writes to standard error. The socket
     * stands first, because its descriptor may have the number 1.
     */
    const std::array<Redirection, 2> redirections{{{theirs.get(), socket_of_command}, {2, 1}}};
    /* A session of its own: one signal ends the command and all its children. */
    Result<Child> child = Child::execute({"setsid", "sh", "-c", command}, redirections);

    if (!child)
        return child.error();
    theirs.reset();

    SentBuffer sent(std::move(child).value(), std::move(ours));
    Result<Fd> buffer = sent.receive_buffer(limit);

    if (!buffer)
        return Error{buffer.error().code, quoted(command) + " " + buffer.error().what};
    sent.buffer_ = std::move(buffer).value();
    return sent;
}

Result<Fd> SentBuffer::receive_buffer(std::chrono::seconds limit) {
    const Status ready = wait_for_message(socket_, limit);

    if (!ready)
        return ready.error();

    Result<Message> message = read_message(socket_);

    if (!message)
        return message.error();
    if (message.value().has_ended)
        return Error{EPIPE, how_it_ended()};
    return only_descriptor(message.value());
}

/* The end of a command closes its socket a moment before the process has ended. */
std::string SentBuffer::how_it_ended() {
    if (!ends_within(*command_, time_to_end))
        return "has closed descriptor 3 and sent nothing";
    (void)kill(-command_->pid(), SIGKILL); /* what the command left behind */

    const int status = command_->wait();

    command_.reset();
    return "ended with status " + std::to_string(exit_status_of(status)) + " and has sent nothing";
}

/*
 * No call waits for the leader before the signals are sent. So the leader keeps the number of the
 * group, and no other group can have this number.
 */
SentBuffer::~SentBuffer() {
    if (!command_ || !command_->is_ours())
        return;
    socket_.reset();
    (void)ends_within(*command_, time_to_stop);
    (void)kill(-command_->pid(), SIGTERM);
    (void)ends_within(*command_, time_to_end);
    (void)kill(-command_->pid(), SIGKILL);
}

} // namespace testexp
