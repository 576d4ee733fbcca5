/* SPDX-License-Identifier: GPL-2.0 */
/* Memory that ends at an inaccessible page. */
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

#include "call.hpp"
#include "call_rules.hpp"

namespace testexp {

/* Two zeroed pages, followed by a page that nobody can access. */
class GuardedMemory {
public:
    GuardedMemory()
        : page_bytes_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))),
          bytes_(static_cast<unsigned char*>(mmap(nullptr, length() + page_bytes_,
                                                  PROT_READ | PROT_WRITE,
                                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
        if (bytes_ == MAP_FAILED || mprotect(bytes_ + length(), page_bytes_, PROT_NONE))
            throw std::runtime_error(std::string("guard page: ") + std::strerror(errno));
    }
    GuardedMemory(const GuardedMemory&) = delete;
    GuardedMemory& operator=(const GuardedMemory&) = delete;
    ~GuardedMemory() { munmap(bytes_, length() + page_bytes_); }

    std::size_t length() const { return 2 * page_bytes_; }
    unsigned char* start() const { return bytes_; }
    std::uint64_t guard() const { return address(bytes_ + length()); }

    /* The last @size bytes before the guard page. */
    unsigned char* tail(std::size_t size) const { return bytes_ + length() - size; }

    /* The accessible bytes from @pointer up to the guard page; empty if @pointer is elsewhere. */
    Bytes from(std::uint64_t pointer) const {
        const std::uint64_t first = address(bytes_);

        if (pointer < first || pointer >= guard())
            return {};
        return Bytes(bytes_ + (pointer - first), guard() - pointer);
    }

    static std::uint64_t address(const void* pointer) { return user_pointer(pointer); }

private:
    std::size_t page_bytes_;
    unsigned char* bytes_;
};

} // namespace testexp
