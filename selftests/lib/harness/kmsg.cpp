// SPDX-License-Identifier: GPL-2.0
#include "kmsg.hpp"

#include <algorithm>
#include <array>

#include <fcntl.h>
#include <unistd.h>

#include "not_judged.hpp"

namespace testexp {

Kmsg::Kmsg() : fd_(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
    if (!fd_ || lseek(fd_.get(), 0, SEEK_END) < 0)
        throw std::runtime_error(errno_error("/dev/kmsg").what);
}

/* A read returns one record: "priority,sequence,time,flags;text\n", and further lines. */
std::vector<std::string> Kmsg::new_lines() {
    std::vector<std::string> lines;
    std::array<char, 8192> record{};

    while (true) {
        const ssize_t length = read(fd_.get(), record.data(), record.size());

        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0 && errno == EPIPE)
            throw NotJudged("the kernel logged more than its buffer holds, so lines were lost");
        if (length <= 0)
            return lines;

        const std::string text(record.data(), static_cast<std::size_t>(length));
        const std::size_t begin = text.find(';') + 1;

        lines.push_back(text.substr(begin, text.find('\n') - begin));
    }
}

unsigned int Kmsg::new_warnings() {
    const std::vector<std::string> lines = new_lines();

    return static_cast<unsigned int>(
        std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
            return line.find("WARNING: ") != std::string::npos;
        }));
}

std::vector<std::string> Kmsg::new_bugs() {
    /* selftests/kernel_bugs.py has the complete list; lines with these parts are on it. */
    static constexpr const char* parts[] = {
        "WARNING: ",
        "BUG: ",
        "kernel BUG at ",
        "Oops",
        "general protection fault",
        "INFO: possible ",
        "KASAN: ",
        "INFO: task ",
        "UBSAN:",
        "refcount_t: ",
        "KFENCE: ",
        "KCSAN:",
        "list_del corrupti",
        "[ BUG:",
        "list_add corrupti",
        "DMA-API: device",
        "rcu: INFO: ",
        "DMAR: [DMA ",
        "DMAR: [I",
        "DMAR: VT-d detected",
        "AMD-Vi: Event l",
    };
    std::vector<std::string> lines = new_lines();

    std::erase_if(lines, [](const std::string& line) {
        return std::ranges::none_of(
            parts, [&](const char* part) { return line.find(part) != std::string::npos; });
    });
    /* As STOPPED in selftests/kernel_bugs.py: what the checker would have found is unknown. */
    if (std::erase_if(lines,
                      [](const std::string& line) {
                          return line.find("BUG: MAX_LOCKDEP_") != std::string::npos ||
                                 line.find("BUG: MAX_STACK_TRACE_ENTRIES") != std::string::npos;
                      }) != 0 &&
        lines.empty())
        throw NotJudged("lockdep has stopped");
    return lines;
}

} // namespace testexp
