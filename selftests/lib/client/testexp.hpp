/* SPDX-License-Identifier: GPL-2.0 */
/*
 * RAII client of the ioctl ABI in testexp_uapi.h.
 *
 * Calls return a Result: the value, or the errno with one line that says what
 * failed. Asking a failed Result for its value throws that line. All lengths and
 * offsets are in pages unless the name says bytes.
 */
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "layout.hpp"
#include "testexp_uapi.h"

namespace testexp {

struct Error {
    int code = 0; /* a positive errno */
    std::string what;
};

template <typename T> class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    explicit operator bool() const { return state_.index() == 0; }

    /* 0, or the positive errno: one number to compare an expectation with. */
    int code() const { return *this ? 0 : error().code; }

    /* Only for a failed result. */
    const Error& error() const { return std::get<1>(state_); }

    /* Throw std::runtime_error with the error's text when there is no value. */
    T& value() & {
        check();
        return std::get<0>(state_);
    }
    const T& value() const& {
        check();
        return std::get<0>(state_);
    }
    T value() && {
        check();
        return std::get<0>(std::move(state_));
    }

private:
    void check() const {
        if (!*this)
            throw std::runtime_error(error().what);
    }

    std::variant<T, Error> state_;
};

/* Of calls that return nothing but success or failure. */
using Status = Result<std::monostate>;

/* Owns a file descriptor; -1 is none. */
class Fd {
public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other)
            reset(std::exchange(other.fd_, -1));
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() { reset(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    void reset(int fd = -1);

private:
    int fd_ = -1;
};

/* A shared, writable mapping of a dma-buf into this process. */
class Mapping {
public:
    static Result<Mapping> map(int fd, std::uint64_t nr_pages, std::uint64_t pgoff = 0);

    /* The same at an address that is a multiple of @alignment_bytes, a power of two. */
    static Result<Mapping> map_aligned(int fd, std::uint64_t nr_pages,
                                       std::uint64_t alignment_bytes, std::uint64_t pgoff = 0);

    Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
    Mapping& operator=(Mapping&&) = delete;
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping();

    std::span<std::byte> bytes() const { return bytes_; }

private:
    explicit Mapping(std::span<std::byte> bytes) : bytes_(bytes) {}

    std::span<std::byte> bytes_;
};

/* A dma-buf of the test exporter. */
struct Buffer {
    Fd fd;
    std::uint64_t nr_pages = 0;
};

struct CreateSpec {
    Layout layout;
    std::uint32_t flags = 0;  /* TESTEXP_CREATE_* */
    std::uint32_t inject = 0; /* TESTEXP_INJECT_* */
};

/* For FOLLOW_PFNMAP_*: where a mapping begins, as the ABI has it. */
std::uint64_t address_of(const Mapping& mapping);

struct MeasureSpec {
    testexp_path path = TESTEXP_PATH_EMPTY;
    std::uint64_t nr_pages = 1; /* of the window to resolve */
    std::uint64_t pgoff = 0;    /* where it begins */
    std::uint32_t ops_per_batch = 100;
    std::uint64_t batches = 200;
    std::uint64_t warmup_batches = 2;
    testexp_measure_mode mode = TESTEXP_MODE_BATCH;
    testexp_sequence sequence = TESTEXP_SEQUENCE_FORWARD;
    std::uint64_t stride = 0;  /* in pages, of STRIDED */
    std::uint64_t address = 0; /* of the window's first page, for FOLLOW_PFNMAP_* */
};

struct Measurement {
    testexp_measure totals; /* what the ioctl returned; see the ABI */
    testexp_hist hist;      /* ticks of each batch, or of each operation */
};

struct FillSpec {
    testexp_fill_mode mode = TESTEXP_FILL_LOCKED;
    std::uint64_t count = 1;
    std::uint64_t pgoff = 0;
    std::uint32_t pause_ms = 0; /* not 0: with TESTEXP_FILL_PAUSE */
};

/* One attachment to a dma-buf; keeps the buffer alive. */
class Importer {
public:
    explicit Importer(Fd fd) : fd_(std::move(fd)) {}

    int fd() const { return fd_.get(); }

    /* Answers for @count pages: @pgoff, @pgoff + @stride, ... */
    Result<std::vector<testexp_result>> resolve(std::uint64_t pgoff, std::uint64_t count,
                                                std::uint64_t stride = 1,
                                                std::uint32_t flags = 0) const;

    /* The DMA segments of a mapping that was made and undone for this call. */
    Result<std::vector<testexp_map_entry>> map() const;

    /* Has the kernel map the buffer for itself, until the importer is closed. */
    Status map_kernel() const;

    /* What the page at @pgoff is, without resolving it. */
    Result<testexp_describe> describe(std::uint64_t pgoff) const;

    Result<Measurement> measure(const MeasureSpec& spec) const;

    /* What @ops operations of spec's path find; the rest of @spec is as for measure(). */
    Result<std::vector<testexp_delivered>>
    deliver(const MeasureSpec& spec, std::uint32_t ops,
            std::uint32_t capacity = TESTEXP_MAX_DELIVERED) const;

    /* Its own page table; the structs are what the ioctls returned. */
    Result<testexp_fill> fill(const FillSpec& spec) const;
    Result<testexp_audit> audit() const;
    Result<testexp_use> use(std::uint64_t signature, std::uint32_t flags = 0) const;

    /* Whether there was a fence to signal. */
    Result<bool> signal() const;

private:
    Fd fd_;
};

/* The control device of the module. */
class Device {
public:
    /**
     * Opens the module's device and checks its ABI version. The error's text is
     * one line that says what is missing and what to do: ENOENT for a module
     * that is not loaded, EPERM without CAP_SYS_ADMIN, EPROTO for another ABI.
     */
    static Result<Device> open();

    int fd() const { return fd_.get(); }

    /* As it was at open(); for the limits and features, which do not change. */
    const testexp_info& info() const { return info_; }
    bool has(std::uint32_t features) const { return (info_.features & features) == features; }

    /* As it is now; for the counts. */
    Result<testexp_info> read_info() const;

    Result<Buffer> create(const CreateSpec& spec) const;
    Result<Importer> attach(int buffer_fd, std::uint32_t flags = 0) const;
    Result<testexp_stats> stats(int buffer_fd) const;
    Status revoke(int buffer_fd) const;
    Status restore(int buffer_fd) const;

    /* @timeout_ms: for the importers' fences; 0 for TESTEXP_WAIT_MS. */
    Status move(int buffer_fd, const Layout& layout, std::uint32_t flags = 0,
                std::uint32_t timeout_ms = 0) const;

    /* What this process's page table has for the pages from @address on. */
    Result<std::vector<testexp_walked>> walk(const std::byte* address, std::uint64_t nr_pages,
                                             std::uint32_t flags = 0) const;

    /* What the wrong call returned: 0 or a negative errno. */
    Result<int> misuse(testexp_misuse_case which, std::uint32_t flags = 0) const;

private:
    Device(Fd fd, const testexp_info& info) : fd_(std::move(fd)), info_(info) {}

    Fd fd_;
    testexp_info info_;
};

/* The errno of now as an Error: "@what: text of errno". */
Error errno_error(const std::string& what);

} // namespace testexp
