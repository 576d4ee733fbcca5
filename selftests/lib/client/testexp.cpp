// SPDX-License-Identifier: GPL-2.0
#include "testexp.hpp"

#include <system_error>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "call.hpp"

namespace testexp {

namespace {

Result<testexp_info> call_info(int fd) {
    return ask(fd, TESTEXP_IOC_INFO, sized<testexp_info>(), "INFO");
}

Error open_error() {
    const int code = errno;

    if (code == ENOENT || code == ENODEV || code == ENXIO)
        return {code,
                "module " TESTEXP_DEVICE_NAME " is not loaded: insmod " TESTEXP_DEVICE_NAME ".ko"};
    if (code == EPERM || code == EACCES)
        return {code, "needs root (CAP_SYS_ADMIN) to open " TESTEXP_DEVICE_PATH};
    return errno_error("open " TESTEXP_DEVICE_PATH);
}

/* @found: the ABI of the module. */
Error abi_error(const std::string& found) {
    return {EPROTO, "module " TESTEXP_DEVICE_NAME " " + found + ", this program needs ABI " +
                        std::to_string(TESTEXP_ABI_VERSION) + ": rebuild both from one tree"};
}

} // namespace

Error errno_error(const std::string& what) {
    const int code = errno;

    return {code, what + ": " + std::generic_category().message(code)};
}

void Fd::reset(int fd) {
    if (fd_ >= 0)
        close(fd_);
    fd_ = fd;
}

int next_fd() {
    return Fd(open("/", O_PATH | O_CLOEXEC)).get();
}

Result<Mapping> Mapping::map(int fd, std::uint64_t nr_pages, std::uint64_t pgoff) {
    const std::size_t length = nr_pages * page_bytes();
    void* start = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                       static_cast<off_t>(pgoff * page_bytes()));

    if (start == MAP_FAILED)
        return errno_error("mmap");
    return Mapping({static_cast<std::byte*>(start), length});
}

Result<Mapping> Mapping::map_aligned(int fd, std::uint64_t nr_pages, std::uint64_t alignment_bytes,
                                     std::uint64_t pgoff) {
    const std::size_t length = nr_pages * page_bytes();
    const std::size_t room = length + alignment_bytes;
    void* start = mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (start == MAP_FAILED)
        return errno_error("mmap");

    auto* const begin = static_cast<std::byte*>(start);
    const std::size_t head = (alignment_bytes - user_pointer(begin)) & (alignment_bytes - 1);
    const bool mapped = mmap(begin + head, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                             fd, static_cast<off_t>(pgoff * page_bytes())) != MAP_FAILED;
    const Error error = errno_error("mmap");

    if (!mapped) {
        munmap(begin, room);
        return error;
    }
    if (head != 0)
        munmap(begin, head);
    munmap(begin + head + length, alignment_bytes - head);
    return Mapping({begin + head, length});
}

Result<Mapping> Mapping::map_pieces(int fd, std::span<const Piece> pieces) {
    std::size_t length = 0;

    for (const Piece& piece : pieces)
        length += piece.nr_pages * page_bytes();

    void* start = mmap(nullptr, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (start == MAP_FAILED)
        return errno_error("mmap");

    Mapping mapping({static_cast<std::byte*>(start), length});
    std::byte* place = mapping.bytes_.data();

    for (const Piece& piece : pieces) {
        if (mmap(place, piece.nr_pages * page_bytes(), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_FIXED, fd,
                 static_cast<off_t>(piece.pgoff * page_bytes())) == MAP_FAILED)
            return errno_error("mmap");
        place += piece.nr_pages * page_bytes();
    }
    return mapping;
}

std::uint64_t address_of(const Mapping& mapping) {
    return user_pointer(mapping.bytes().data());
}

Mapping::~Mapping() {
    if (!bytes_.empty())
        munmap(bytes_.data(), bytes_.size());
}

Result<std::vector<testexp_result>> Importer::resolve(std::uint64_t pgoff, std::uint64_t count,
                                                      std::uint64_t stride,
                                                      std::uint32_t flags) const {
    std::vector<testexp_result> results(count);
    auto request = sized<testexp_resolve>();

    request.flags = flags;
    request.pgoff = pgoff;
    request.count = count;
    request.stride = stride;
    request.results = user_pointer(results.data());

    const Status status = call(fd(), TESTEXP_IOC_RESOLVE, request, "RESOLVE");

    if (!status)
        return status.error();
    return results;
}

Result<std::vector<testexp_map_entry>> Importer::map() const {
    std::vector<testexp_map_entry> entries(64);

    while (true) {
        auto request = sized<testexp_map>();

        request.entries = user_pointer(entries.data());
        request.capacity = static_cast<std::uint32_t>(entries.size());

        const Status status = call(fd(), TESTEXP_IOC_MAP, request, "MAP");

        if (status) {
            entries.resize(request.nr_entries);
            return entries;
        }
        if (status.code() != ENOSPC || request.nr_entries <= entries.size())
            return status.error();
        entries.resize(request.nr_entries);
    }
}

Status Importer::map_kernel() const {
    auto request = sized<testexp_map>();

    request.flags = TESTEXP_MAP_KERNEL;
    return call(fd(), TESTEXP_IOC_MAP, request, "MAP");
}

Result<Measurement> Importer::measure(const MeasureSpec& spec) const {
    Measurement result{sized<testexp_measure>(), {}};
    testexp_measure& request = result.totals;

    request.path = spec.path;
    request.ops_per_batch = spec.ops_per_batch;
    request.warmup_batches = spec.warmup_batches;
    request.batches = spec.batches;
    request.pgoff = spec.pgoff;
    request.nr_pages = spec.nr_pages;
    request.hist = user_pointer(&result.hist);
    request.mode = spec.mode;
    request.sequence = spec.sequence;
    request.stride = spec.stride;
    request.address = spec.address;

    const Status status = call(fd(), TESTEXP_IOC_MEASURE, request, "MEASURE");

    if (!status)
        return status.error();
    request.hist = 0; /* the address means nothing in the caller's copy */
    return result;
}

Result<std::vector<testexp_delivered>> Importer::deliver(const MeasureSpec& spec, std::uint32_t ops,
                                                         std::uint32_t capacity) const {
    std::vector<testexp_delivered> delivered(capacity);
    auto request = sized<testexp_deliver>();

    request.path = spec.path;
    request.sequence = spec.sequence;
    request.pgoff = spec.pgoff;
    request.nr_pages = spec.nr_pages;
    request.stride = spec.stride;
    request.address = spec.address;
    request.ops = ops;
    request.capacity = capacity;
    request.delivered = user_pointer(delivered.data());

    const Status status = call(fd(), TESTEXP_IOC_DELIVER, request, "DELIVER");

    if (!status)
        return status.error();
    delivered.resize(request.nr_delivered);
    return delivered;
}

Result<testexp_fill> Importer::fill(const FillSpec& spec) const {
    auto request = sized<testexp_fill>();

    request.flags = spec.pause_ms != 0 ? TESTEXP_FILL_PAUSE : 0;
    request.mode = spec.mode;
    request.pause_ms = spec.pause_ms;
    request.pgoff = spec.pgoff;
    request.count = spec.count;
    return ask(fd(), TESTEXP_IOC_FILL, request, "FILL");
}

Result<testexp_audit> Importer::audit() const {
    return ask(fd(), TESTEXP_IOC_AUDIT, sized<testexp_audit>(), "AUDIT");
}

Result<testexp_use> Importer::use(std::uint64_t signature, std::uint32_t flags) const {
    auto request = sized<testexp_use>();

    request.flags = flags;
    request.signature = signature;
    return ask(fd(), TESTEXP_IOC_USE, request, "USE");
}

Result<testexp_describe> Importer::describe(std::uint64_t pgoff, std::uint32_t flags) const {
    auto request = sized<testexp_describe>();

    request.flags = flags;
    request.pgoff = pgoff;
    return ask(fd(), TESTEXP_IOC_DESCRIBE, request, "DESCRIBE");
}

Result<bool> Importer::signal() const {
    auto request = sized<testexp_signal>();
    const Status status = call(fd(), TESTEXP_IOC_SIGNAL, request, "SIGNAL");

    if (!status)
        return status.error();
    return request.pending != 0;
}

Result<Device> Device::open() {
    Fd fd(::open(TESTEXP_DEVICE_PATH, O_RDWR | O_CLOEXEC));

    if (!fd)
        return open_error();

    const Result<testexp_info> info = call_info(fd.get());

    if (!info)
        return abi_error("refuses " + info.error().what);
    if (info.value().abi_version != TESTEXP_ABI_VERSION)
        return abi_error("has ABI " + std::to_string(info.value().abi_version));
    return Device(std::move(fd), info.value());
}

Result<testexp_info> Device::read_info() const {
    return call_info(fd());
}

Result<Buffer> Device::create(const CreateSpec& spec) const {
    auto request = sized<testexp_create>();

    request.flags = spec.flags;
    request.extents = user_pointer(spec.layout.extents.data());
    request.nr_extents = static_cast<std::uint32_t>(spec.layout.extents.size());
    request.inject = spec.inject;
    request.fd = -1;

    const Status status = call(fd(), TESTEXP_IOC_CREATE, request, "CREATE");

    if (!status)
        return status.error();
    return Buffer{Fd(request.fd), request.nr_pages};
}

Result<Importer> Device::attach(int buffer_fd, std::uint32_t flags) const {
    auto request = sized<testexp_attach>();

    request.flags = flags;
    request.fd = buffer_fd;
    request.importer_fd = -1;

    const Status status = call(fd(), TESTEXP_IOC_ATTACH, request, "ATTACH");

    if (!status)
        return status.error();
    return Importer(Fd(request.importer_fd));
}

Result<testexp_stats> Device::stats(int buffer_fd) const {
    auto request = sized<testexp_stats>();

    request.fd = buffer_fd;
    return ask(fd(), TESTEXP_IOC_STATS, request, "STATS");
}

Status Device::revoke(int buffer_fd) const {
    auto request = sized<testexp_revoke>();

    request.fd = buffer_fd;
    return call(fd(), TESTEXP_IOC_REVOKE, request, "REVOKE");
}

Status Device::restore(int buffer_fd) const {
    auto request = sized<testexp_restore>();

    request.fd = buffer_fd;
    return call(fd(), TESTEXP_IOC_RESTORE, request, "RESTORE");
}

Status Device::move(int buffer_fd, const Layout& layout, std::uint32_t flags,
                    std::uint32_t timeout_ms) const {
    auto request = sized<testexp_move>();

    request.flags = flags;
    request.fd = buffer_fd;
    request.extents = user_pointer(layout.extents.data());
    request.nr_extents = static_cast<std::uint32_t>(layout.extents.size());
    request.timeout_ms = timeout_ms;
    return call(fd(), TESTEXP_IOC_MOVE, request, "MOVE");
}

Result<std::vector<testexp_walked>> Device::walk(const std::byte* address, std::uint64_t nr_pages,
                                                 std::uint32_t flags) const {
    std::vector<testexp_walked> results(nr_pages);
    auto request = sized<testexp_walk>();

    request.flags = flags;
    request.address = user_pointer(address);
    request.count = nr_pages;
    request.results = user_pointer(results.data());

    const Status status = call(fd(), TESTEXP_IOC_WALK, request, "WALK");

    if (!status)
        return status.error();
    return results;
}

Result<int> Device::misuse(testexp_misuse_case which, std::uint32_t flags) const {
    auto request = sized<testexp_misuse>();

    request.flags = flags;
    request.which = which;

    const Status status = call(fd(), TESTEXP_IOC_MISUSE, request, "MISUSE");

    if (!status)
        return status.error();
    return request.result;
}

} // namespace testexp
