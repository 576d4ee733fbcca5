/* SPDX-License-Identifier: GPL-2.0 */
/*
 * RAII client of the ioctl ABI in testexp_uapi.h.
 *
 * Each call returns a Result: a value, or an errno with one line that says what failed. value() of
 * a failed Result throws that line. All lengths and offsets are in pages unless the name says
 * bytes.
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
    int code = 0; /* positive */
    std::string what;
};

template <typename T> class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    explicit operator bool() const { return state_.index() == 0; }

    /* 0 or the positive errno, to compare with an expectation. */
    int code() const { return *this ? 0 : error().code; }

    /* Only for a failed result. */
    const Error& error() const { return std::get<1>(state_); }

    /* Throws std::runtime_error with the error's text if there is no value. */
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

/* For calls without a value. */
using Status = Result<std::monostate>;

/* Owns a file descriptor; -1 means none. */
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

/* The number that the next descriptor of this process will have. */
int next_fd();

/* A shared, writable mapping of a dma-buf in this process. */
class Mapping {
public:
    static Result<Mapping> map(int fd, std::uint64_t nr_pages, std::uint64_t pgoff = 0);

    /* The same, at an address that is a multiple of @alignment_bytes, a power of two. */
    static Result<Mapping> map_aligned(int fd, std::uint64_t nr_pages,
                                       std::uint64_t alignment_bytes, std::uint64_t pgoff = 0);

    /* Pieces of a file, one behind the other in memory. */
    struct Piece {
        std::uint64_t pgoff = 0;
        std::uint64_t nr_pages = 0;
    };
    static Result<Mapping> map_pieces(int fd, std::span<const Piece> pieces);

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

/* The beginning of the mapping as the ABI has it, for FOLLOW_PFNMAP_*. */
std::uint64_t address_of(const Mapping& mapping);

struct MeasureSpec {
    testexp_path path = TESTEXP_PATH_EMPTY;
    std::uint64_t nr_pages = 1; /* length of the window to resolve */
    std::uint64_t pgoff = 0;    /* its first page */
    std::uint32_t ops_per_batch = 100;
    std::uint64_t batches = 200;
    std::uint64_t warmup_batches = 2;
    testexp_measure_mode mode = TESTEXP_MODE_BATCH;
    testexp_sequence sequence = TESTEXP_SEQUENCE_FORWARD;
    std::uint64_t stride = 0;  /* in pages; only for STRIDED */
    std::uint64_t address = 0; /* where the window's first page is mapped, for FOLLOW_PFNMAP_* */
};

struct Measurement {
    testexp_measure totals; /* what the ioctl returned */
    testexp_hist hist;      /* ticks of each batch or each operation */
};

struct FillSpec {
    testexp_fill_mode mode = TESTEXP_FILL_LOCKED;
    std::uint64_t count = 1;
    std::uint64_t pgoff = 0;
    std::uint32_t pause_ms = 0; /* if not 0, the FILL pauses (TESTEXP_FILL_PAUSE) */
};

/* One attachment to a dma-buf. It keeps the buffer alive. */
class Importer {
public:
    explicit Importer(Fd fd) : fd_(std::move(fd)) {}

    int fd() const { return fd_.get(); }

    /* Answers for the @count pages @pgoff, @pgoff + @stride, ... */
    Result<std::vector<testexp_result>> resolve(std::uint64_t pgoff, std::uint64_t count,
                                                std::uint64_t stride = 1,
                                                std::uint32_t flags = 0) const;

    /* Maps and unmaps the buffer. Returns the DMA segments of the mapping. */
    Result<std::vector<testexp_map_entry>> map() const;

    /* Lets the kernel map the buffer (vmap) until the importer is closed. */
    Status map_kernel() const;

    /* Describes the page at @pgoff without resolving it. */
    Result<testexp_describe> describe(std::uint64_t pgoff, std::uint32_t flags = 0) const;

    Result<Measurement> measure(const MeasureSpec& spec) const;

    /* What @ops operations find; the other fields are as for measure(). */
    Result<std::vector<testexp_delivered>>
    deliver(const MeasureSpec& spec, std::uint32_t ops,
            std::uint32_t capacity = TESTEXP_MAX_DELIVERED) const;

    /* The importer's own page table. The structs are what the ioctls returned. */
    Result<testexp_fill> fill(const FillSpec& spec) const;
    Result<testexp_audit> audit() const;
    Result<testexp_use> use(std::uint64_t signature, std::uint32_t flags = 0) const;

    /* Signals the importer's fence. Returns whether there was one. */
    Result<bool> signal() const;

private:
    Fd fd_;
};

/* The module's control device. */
class Device {
public:
    /**
     * Opens the module's device and checks its ABI version. The error's text is one line that says
     * what is missing and what to do: ENOENT, ENODEV or ENXIO if it is not loaded, EPERM without
     * CAP_SYS_ADMIN, EPROTO for another ABI version.
     */
    static Result<Device> open();

    int fd() const { return fd_.get(); }

    /* INFO as of open(); for limits and features, which do not change. */
    const testexp_info& info() const { return info_; }
    bool has(std::uint32_t features) const { return (info_.features & features) == features; }

    /* INFO as of now; for counts. */
    Result<testexp_info> read_info() const;

    Result<Buffer> create(const CreateSpec& spec) const;
    Result<Importer> attach(int buffer_fd, std::uint32_t flags = 0) const;
    Result<testexp_stats> stats(int buffer_fd) const;
    Status revoke(int buffer_fd) const;
    Status restore(int buffer_fd) const;

    /* @timeout_ms: how long to wait for the importers' fences; 0 for TESTEXP_WAIT_MS. */
    Status move(int buffer_fd, const Layout& layout, std::uint32_t flags = 0,
                std::uint32_t timeout_ms = 0) const;

    /* The entries of this process's page table for @nr_pages from @address on. */
    Result<std::vector<testexp_walked>> walk(const std::byte* address, std::uint64_t nr_pages,
                                             std::uint32_t flags = 0) const;

    /* Makes a wrong call. Returns what it returned: 0 or a negative errno. */
    Result<int> misuse(testexp_misuse_case which, std::uint32_t flags = 0) const;

private:
    Device(Fd fd, const testexp_info& info) : fd_(std::move(fd)), info_(info) {}

    Fd fd_;
    testexp_info info_;
};

/* The current errno as an Error: "@what: text of errno". */
Error errno_error(const std::string& what);

} // namespace testexp
