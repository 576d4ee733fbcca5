// SPDX-License-Identifier: GPL-2.0
#include "other_tracer.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <thread>
#include <utility>

namespace bench {

using testexp::Child;
using testexp::Error;
using testexp::Fd;
using testexp::Redirection;
using testexp::Result;
using testexp::Status;

namespace {

/* The last line that was written to @fd. */
std::string last_line(int fd) {
    std::array<char, 4096> tail{};
    const off_t size = lseek(fd, 0, SEEK_END);
    const off_t begin = std::max<off_t>(0, size - static_cast<off_t>(tail.size()));
    const ssize_t length = pread(fd, tail.data(), tail.size(), begin);
    std::string text(tail.data(), length > 0 ? static_cast<std::size_t>(length) : 0);

    while (!text.empty() && text.back() == '\n')
        text.pop_back();
    return text.substr(text.rfind('\n') + 1);
}

} // namespace

Result<OtherTracer> OtherTracer::run(std::vector<std::string> argv,
                                     const std::function<bool(pid_t)>& attached) {
    using std::chrono::steady_clock;
    const auto give_up = steady_clock::now() + std::chrono::minutes(10); /* it hangs */
    Fd output(memfd_create("tracer", MFD_CLOEXEC));
    const std::string name = argv[0];
    const std::array redirections = {Redirection{output.get(), STDOUT_FILENO},
                                     Redirection{output.get(), STDERR_FILENO}};
    Result<Child> started = Child::execute(std::move(argv), redirections);

    if (!started)
        return Error{started.code(), name + ": " + strerrordesc_np(started.code())};

    Child& tracer = started.value();

    tracer.end_with(SIGINT);
    while (!attached(tracer.pid())) {
        if (tracer.has_ended())
            return Error{EIO, name + ": " + last_line(output.get())};
        if (steady_clock::now() > give_up)
            return Error{ETIMEDOUT, name + ": its probes are not there after ten minutes"};
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return OtherTracer(name, std::move(output), std::move(tracer));
}

Status OtherTracer::check() const {
    if (child_.has_ended())
        return Error{EIO, name_ + " ended before the measurement did; its last line: " +
                              last_line(output_.get())};
    return std::monostate{};
}

namespace {

/* False with errno when the kernel does not take all of @text. */
bool change_events(const std::string& text) {
    const Fd events(open("/sys/kernel/tracing/kprobe_events", O_WRONLY | O_APPEND | O_CLOEXEC));

    return events &&
           write(events.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

} // namespace

ProbeEvents::ProbeEvents(ProbeEvents&& other) noexcept : made_(std::exchange(other.made_, false)) {
}

/*
 * An event is busy for a moment after the tracer that had it is gone. On a busy machine the
 * moment is longer. The limit of a minute is for an event that somebody else uses.
 */
ProbeEvents::~ProbeEvents() {
    for (int tries = 0; made_ && tries < 600; tries++) {
        if (change_events("-:dmabuf_pfn/entry\n-:dmabuf_pfn/return\n") || errno != EBUSY)
            return;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
}

Result<ProbeEvents> ProbeEvents::make(const std::string& function) {
    ProbeEvents events;

    /* A benchmark that was killed leaves its events, and the kernel does not make them again. */
    change_events("-:dmabuf_pfn/entry\n");
    change_events("-:dmabuf_pfn/return\n");
    if (!change_events("p:dmabuf_pfn/entry " + function + "\nr:dmabuf_pfn/return " + function +
                       "\n"))
        return testexp::errno_error("cannot make events of " + function);
    events.made_ = true;
    return events;
}

/* "PID (NAME) STATE ...", where a name may hold anything. */
bool is_asleep(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;

    std::getline(file, text);

    const auto end = text.rfind(") ");

    return end != std::string::npos && end + 2 < text.size() && text[end + 2] == 'S';
}

std::uint64_t count_tracing_links() {
    std::uint64_t count = 0;
    __u32 id = 0;

    while (!bpf_link_get_next_id(id, &id)) {
        const Fd link(bpf_link_get_fd_by_id(id));
        bpf_link_info info{};
        __u32 size = sizeof(info);

        if (link && !bpf_obj_get_info_by_fd(link.get(), &info, &size) &&
            info.type == BPF_LINK_TYPE_TRACING)
            count++;
    }
    return count;
}

std::uint64_t count_kprobes(const std::string& function) {
    std::ifstream list("/sys/kernel/debug/kprobes/list");
    std::uint64_t count = 0;

    for (std::string line; std::getline(list, line);)
        if (line.find(" " + function + "+") != std::string::npos &&
            line.find("[DISABLED]") == std::string::npos)
            count++;
    return count;
}

} // namespace bench
