// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: nobody can pin a page of a buffer through a mapping, so no page outlives a revoke or a
 * move (P22). A mapping cannot grow beyond its buffer.
 *
 * Method: system calls that pin pages of their caller's memory get a mapping of the buffer, before
 * and after a revoke and a move. They must fail with EFAULT, and their pipe must be empty. The
 * control is a buffer with SHOW_PAGES, which other tests use only where they must: there the calls
 * work, and the pinned page outlives both.
 *
 * Does not see: io_uring, which pins in the same way; a pin that writes to a page after a move.
 */
#include <algorithm>
#include <array>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lifetime.hpp"

using namespace testexp;

namespace {

constexpr std::uint64_t nr_pages = 4;

Layout layout() {
    return Layout{}.ram(nr_pages);
}

Buffer create(std::uint32_t more_flags) {
    return device()
        .create({.layout = layout(), .flags = TESTEXP_CREATE_DYNAMIC | more_flags})
        .value();
}

iovec page_of(const Mapping& mapping) {
    return {.iov_base = mapping.bytes().data(), .iov_len = page_bytes()};
}

int code_of(ssize_t transferred) {
    return transferred < 0 ? errno : 0;
}

/* Both ends of a pipe with room for a page. */
class Pipe {
public:
    Pipe() {
        std::array<int, 2> ends{};

        if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) < 0)
            ksft::fail(errno_error("pipe").what);
        output_.reset(ends[0]);
        input_.reset(ends[1]);
    }

    /* The pipe then holds the page itself, not a copy. */
    int vmsplice(const Mapping& mapping) const {
        const iovec page = page_of(mapping);

        return code_of(::vmsplice(input_.get(), &page, 1, 0));
    }

    int bytes_inside() const {
        int count = 0;

        if (ioctl(output_.get(), FIONREAD, &count) < 0)
            ksft::fail(errno_error("FIONREAD").what);
        return count;
    }

    /* The first word in the pipe. */
    std::uint64_t read_word() const {
        std::uint64_t word = 0;

        if (read(output_.get(), &word, sizeof(word)) != sizeof(word))
            ksft::fail(errno_error("read from the pipe").what);
        return word;
    }

private:
    Fd output_;
    Fd input_;
};

int vmsplice_page(const Mapping& mapping) {
    const Pipe pipe;
    const int code = pipe.vmsplice(mapping);

    ksft::expect_eq(pipe.bytes_inside(), code == 0 ? page_bytes() : 0, "bytes in the pipe");
    return code;
}

int read_by_process_vm(const Mapping& mapping) {
    std::vector<std::byte> copy(page_bytes());
    const iovec local{.iov_base = copy.data(), .iov_len = copy.size()};
    const iovec remote = page_of(mapping);

    return code_of(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
}

int write_by_process_vm(const Mapping& mapping) {
    std::vector<std::byte> zeros(page_bytes());
    const iovec local{.iov_base = zeros.data(), .iov_len = zeros.size()};
    const iovec remote = page_of(mapping);

    return code_of(process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
}

/*
 * A file that is certainly there and longer than a page. File systems in memory would copy instead
 * of pinning.
 */
Fd direct_file() {
    constexpr const char* path = "/proc/self/exe";
    struct statfs where = {};
    Fd file(open(path, O_RDONLY | O_DIRECT | O_CLOEXEC));

    if (!file)
        ksft::skip(errno_error("this file system has no O_DIRECT").what);
    if (fstatfs(file.get(), &where) < 0)
        ksft::fail(errno_error("fstatfs").what);
    REQUIRE(where.f_type != TMPFS_MAGIC && where.f_type != RAMFS_MAGIC,
            "O_DIRECT of a file system in memory pins nothing");
    return file;
}

int read_directly(const Mapping& mapping) {
    const Fd file = direct_file();

    return code_of(pread(file.get(), mapping.bytes().data(), page_bytes(), 0));
}

/* A call that has to pin the first page. Returns its errno or 0. */
struct Way {
    const char* name;
    int (*pin)(const Mapping& mapping);
};

constexpr Way ways[] = {
    {"vmsplice", vmsplice_page},
    {"process_vm_readv", read_by_process_vm},
    {"process_vm_writev", write_by_process_vm},
    {"o_direct", read_directly},
};

Mapping map(const Buffer& buffer) {
    return Mapping::map(buffer.fd.get(), nr_pages).value();
}

int move(const Buffer& buffer) {
    return device().move(buffer.fd.get(), layout()).code();
}

/* With the page in the page table, and without, where the call would have to fault it in. */
void refused(const Way& way) {
    const std::uint64_t violations = poison_violations();
    {
        const Buffer buffer = create(0);
        const Contents contents(buffer, layout());
        const Mapping mapping = map(buffer);

        ksft::expect_eq(way.pin(mapping), EFAULT, "of a page that is not mapped yet");
        contents.expect_intact("before");
        ksft::expect_eq(way.pin(map(buffer)), EFAULT, "by another mapping");
        *reinterpret_cast<volatile std::uint64_t*>(mapping.bytes().data()) = signature;
        ksft::expect_eq(way.pin(mapping), EFAULT, "of a page that is mapped");
        ksft::expect_eq(move(buffer), 0, "MOVE");
        ksft::expect_eq(way.pin(mapping), EFAULT, "after the move");
        contents.expect_intact("after the move");
        ksft::expect_eq(way.pin(mapping), EFAULT, "after the move, of a page that is mapped");
        ksft::expect_eq(device().revoke(buffer.fd.get()).code(), 0, "REVOKE");
        ksft::expect_eq(way.pin(mapping), EFAULT, "after the revoke");
    }
    ksft::expect_eq(poison_violations(), violations, "poison_violations");
}

/* The control: each of the calls works if it has a page to pin. */
void works_on_shown_pages(const Way& way) {
    const Buffer buffer = create(TESTEXP_CREATE_SHOW_PAGES);
    const Mapping mapping = map(buffer);

    ksft::expect_eq(way.pin(mapping), 0, "of a page that is not mapped yet");
    ksft::expect_eq(way.pin(mapping), 0, "of a page that is mapped");
    ksft::expect_eq(move(buffer), 0, "MOVE");
    ksft::expect_eq(way.pin(mapping), 0, "after the move");
    ksft::expect_eq(device().revoke(buffer.fd.get()).code(), 0, "REVOKE");
    ksft::expect_eq(way.pin(mapping), EFAULT, "after the revoke");
}

/* The control: whoever has a pin reads what the revoked buffer held. */
void outlives_revoke() {
    const Buffer buffer = create(TESTEXP_CREATE_SHOW_PAGES);
    const Contents contents(buffer, layout());
    const Pipe pipe;

    ksft::expect_eq(pipe.vmsplice(map(buffer)), 0, "vmsplice");
    ksft::expect_eq(device().revoke(buffer.fd.get()).code(), 0, "REVOKE");
    ksft::expect_eq(pipe.read_word(), signature, "what the pipe gives");
}

/* The control for a move: the page that the buffer left is still readable, and holds poison. */
void outlives_move() {
    const Buffer buffer = create(TESTEXP_CREATE_SHOW_PAGES);
    const Contents contents(buffer, layout());
    const Pipe pipe;

    ksft::expect_eq(pipe.vmsplice(map(buffer)), 0, "vmsplice");
    ksft::expect_eq(move(buffer), 0, "MOVE");
    ksft::expect_eq(pipe.read_word(), TESTEXP_POISON_BYTE * 0x0101010101010101ULL,
                    "what the pipe gives");
}

/* A mapping that has grown would show pages that are not the buffer's. */
void does_not_grow(std::uint32_t flags) {
    const Buffer buffer = create(flags);
    const Mapping mapping = map(buffer);
    const std::size_t bytes = mapping.bytes().size();

    errno = 0;
    ksft::expect(mremap(mapping.bytes().data(), bytes, 2 * bytes, MREMAP_MAYMOVE) == MAP_FAILED,
                 "mremap to twice the length fails");
    ksft::expect_eq(errno, EFAULT, "errno of mremap");
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const Way& way : ways) {
        const std::string parameters = std::string("[by=") + way.name + "]";

        plan.add("P22.cannot_be_pinned" + parameters, [&] { refused(way); });
        plan.add("P22.shown_pages_can_be_pinned" + parameters, [&] { works_on_shown_pages(way); });
    }
    plan.add("P22.shown_page_outlives[call=REVOKE]", outlives_revoke);
    plan.add("P22.shown_page_outlives[call=MOVE]", outlives_move);
    plan.add("P22.mapping_does_not_grow[flags=none]", [] { does_not_grow(0); });
    plan.add("P22.mapping_does_not_grow[flags=SHOW_PAGES]",
             [] { does_not_grow(TESTEXP_CREATE_SHOW_PAGES); });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
