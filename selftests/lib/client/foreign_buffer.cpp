// SPDX-License-Identifier: GPL-2.0
#include "foreign_buffer.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <numeric>
#include <optional>
#include <system_error>

#include <fcntl.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace testexp {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t huge_page_bytes = std::uint64_t{2} << 20;
constexpr unsigned int memfd_huge_2mb = 21U << 26; /* MFD_HUGE_2MB of linux/memfd.h */
constexpr std::chrono::seconds command_limit{60};  /* until a command has sent its buffer */

Error lacking(std::string what) {
    return {EOPNOTSUPP, std::move(what)};
}

/* The words between commas. */
std::vector<std::string_view> split(std::string_view text) {
    std::vector<std::string_view> words;

    for (;;) {
        const std::size_t comma = text.find(',');

        words.push_back(text.substr(0, comma));
        if (comma == std::string_view::npos)
            return words;
        text.remove_prefix(comma + 1);
    }
}

/* The file name of a command's first word, for the name of a case: other characters become '_'. */
std::string file_name_of(const std::string& command) {
    const std::size_t begin = command.find_first_not_of(' ');
    std::string name = fs::path(command.substr(begin, command.find(' ', begin) - begin)).filename();

    std::replace_if(
        name.begin(), name.end(),
        [](char c) {
            return std::string_view("._-").find(c) == std::string_view::npos &&
                   std::isalnum(static_cast<unsigned char>(c)) == 0;
        },
        '_');
    return name.empty() ? "command" : name;
}

Error wrong_form(std::string_view text, const char* form) {
    return {EINVAL, "'" + std::string(text) + "' is not " + form};
}

/* A size of a buffer: whole pages, and at least one. */
std::optional<std::uint64_t> parse_size(std::string_view text) {
    const Result<std::uint64_t> bytes = parse_bytes(text);

    if (!bytes || bytes.value() == 0 || bytes.value() % page_bytes() != 0)
        return std::nullopt;
    return bytes.value();
}

/* "OFFSET+LENGTH" of whole pages. */
std::optional<VfioRange> parse_range(std::string_view text) {
    const std::size_t plus = text.find('+');

    if (plus == std::string_view::npos)
        return std::nullopt;

    const Result<std::uint64_t> offset = parse_bytes(text.substr(0, plus));
    const auto length = parse_size(text.substr(plus + 1));

    if (!offset || !length || offset.value() % page_bytes() != 0 ||
        offset.value() > largest - *length)
        return std::nullopt;
    return VfioRange{offset.value(), *length};
}

/* How often a range is there, and from one to the next how many bytes: "COUNT/STRIDE". */
struct Repetition {
    std::uint64_t count = 1;
    std::uint64_t stride_bytes = 0;
};

std::optional<Repetition> parse_repetition(std::string_view text) {
    constexpr std::uint64_t most = 65536;
    const std::size_t slash = text.find('/');

    if (slash == std::string_view::npos)
        return std::nullopt;

    const Result<std::uint64_t> count = parse_bytes(text.substr(0, slash));
    const auto stride = parse_size(text.substr(slash + 1));

    if (!count || !stride || count.value() == 0 || count.value() > most ||
        *stride > largest / most / 2)
        return std::nullopt;
    return Repetition{count.value(), *stride};
}

/* "OFFSET+LENGTH" or "OFFSET+LENGTH*COUNT/STRIDE"; empty where the text is neither. */
std::vector<VfioRange> parse_ranges(std::string_view text) {
    const std::size_t star = text.find('*');
    const auto first = parse_range(text.substr(0, star));
    const auto repeated =
        star == std::string_view::npos ? Repetition{} : parse_repetition(text.substr(star + 1));
    std::vector<VfioRange> ranges;

    if (!first || !repeated ||
        first->offset_bytes + first->length_bytes >
            largest - (repeated->count - 1) * repeated->stride_bytes)
        return {};
    for (std::uint64_t i = 0; i < repeated->count; i++)
        ranges.push_back({first->offset_bytes + i * repeated->stride_bytes, first->length_bytes});
    return ranges;
}

/* The error of open() for a device file. Says what to do where this is known. */
Error open_error(const std::string& path, const std::string& to_do) {
    const int code = errno;

    if (code == ENOENT || code == ENODEV || code == ENXIO)
        return lacking(path + ", which is not there" + to_do);
    if (code == EACCES || code == EPERM)
        return {code, "no permission to open " + path + ": run as root"};
    if (code == EBUSY)
        return {code, path + " is in use: close the program that has it open"};
    return errno_error("open " + path);
}

Result<Fd> open_file(const std::string& path, const std::string& to_do) {
    Fd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));

    if (!fd)
        return open_error(path, to_do);
    return fd;
}

/*
 * Whether memfd_create() failed because the kernel has no hugetlb (ENOSYS, or EINVAL for the flag),
 * no huge pages of this size (ENODEV), or no file system of them (ENOENT).
 */
bool has_no_huge_pages(int code) {
    return code == ENOSYS || code == EINVAL || code == ENODEV || code == ENOENT;
}

} // namespace

std::uint64_t VfioSpec::size_bytes() const {
    return std::accumulate(
        ranges.begin(), ranges.end(), std::uint64_t{0},
        [](std::uint64_t sum, const VfioRange& range) { return sum + range.length_bytes; });
}

std::optional<std::uint64_t> VfioSpec::offset_of(std::uint64_t pgoff) const {
    if (pgoff >= size_bytes() / page_bytes())
        return std::nullopt;

    std::uint64_t left = pgoff * page_bytes();
    auto range = ranges.begin();

    for (; left >= range->length_bytes; range++)
        left -= range->length_bytes;
    return range->offset_bytes + left;
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
    constexpr std::string_view units = "KMG";
    const Error wrong = wrong_form(text, "a number of bytes such as 4096, 0x1000, 64K, 64M or 2G");
    const std::size_t unit = text.empty() ? std::string_view::npos : units.find(text.back());
    const unsigned int shift =
        unit == std::string_view::npos ? 0 : 10 * (static_cast<unsigned int>(unit) + 1);
    std::string_view digits = text.substr(0, text.size() - (shift != 0 ? 1 : 0));
    const int base = digits.starts_with("0x") ? 16 : 10;
    std::uint64_t number = 0;

    if (base == 16)
        digits.remove_prefix(2);

    const char* const end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, number, base);

    if (digits.empty() || error != std::errc{} || stop != end || number > largest >> shift)
        return wrong;
    return number << shift;
}

Result<UdmabufSpec> parse_udmabuf(std::string_view text) {
    const auto words = split(text);
    const auto size_bytes = parse_size(words[0]);

    if (!size_bytes || words.size() > 2 || (words.size() == 2 && words[1] != "huge"))
        return wrong_form(text, "SIZE or SIZE,huge, with SIZE in whole pages, such as 64M");
    if (words.size() == 2 && *size_bytes % huge_page_bytes != 0)
        return wrong_form(text, "SIZE,huge with SIZE in whole pages of 2 MiB, such as 64M,huge");
    return UdmabufSpec{*size_bytes, words.size() == 2};
}

Result<HeapSpec> parse_heap(std::string_view text) {
    const auto words = split(text);
    const auto size_bytes = words.size() == 2 ? parse_size(words[1]) : std::nullopt;

    if (!size_bytes || words[0].empty() || words[0].find('/') != std::string_view::npos)
        return wrong_form(text, "NAME,SIZE, with SIZE in whole pages, such as system,64M");
    return HeapSpec{std::string(words[0]), *size_bytes};
}

Result<VfioSpec> parse_vfio(std::string_view text) {
    const Error wrong = wrong_form(text, "BDF,REGION,OFFSET+LENGTH[*COUNT/STRIDE][,...], in whole "
                                         "pages, such as 0000:00:10.0,0,0+64K");
    const auto words = split(text);
    const Result<std::uint64_t> region =
        words.size() > 2 ? parse_bytes(words[1]) : Result<std::uint64_t>(wrong);

    if (!region || words[0].empty() || words[0].find('/') != std::string_view::npos ||
        region.value() > VFIO_PCI_BAR5_REGION_INDEX)
        return wrong;

    VfioSpec spec{std::string(words[0]), static_cast<std::uint32_t>(region.value()), {}};

    for (std::size_t i = 2; i < words.size(); i++) {
        const std::vector<VfioRange> ranges = parse_ranges(words[i]);

        if (ranges.empty())
            return wrong;
        for (const VfioRange& range : ranges) {
            if (range.length_bytes > largest - spec.size_bytes())
                return wrong;
            spec.ranges.push_back(range);
        }
    }
    return spec;
}

Result<FromSpec> parse_from(std::string_view text) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const auto size_bytes = parse_size(text.substr(0, comma));
    const std::string command(text.substr(std::min(comma + 1, text.size())));

    if (!size_bytes || command.find_first_not_of(' ') == std::string::npos)
        return wrong_form(text,
                          "SIZE,COMMAND, with SIZE in whole pages, such as 64M,./my-exporter");
    return FromSpec{*size_bytes, command};
}

Result<ForeignSpec> parse_foreign(std::string_view text) {
    const auto as_foreign = [](auto parsed) {
        return parsed ? Result<ForeignSpec>(std::move(parsed).value())
                      : Result<ForeignSpec>(parsed.error());
    };
    const std::size_t colon = text.find(':');
    const std::string_view kind = text.substr(0, colon);
    const std::string_view rest =
        colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);

    if (kind == "udmabuf")
        return as_foreign(parse_udmabuf(rest));
    if (kind == "heap")
        return as_foreign(parse_heap(rest));
    if (kind == "vfio")
        return as_foreign(parse_vfio(rest));
    if (kind == "drm")
        return as_foreign(parse_drm(rest));
    if (kind == "from")
        return as_foreign(parse_from(rest));
    return wrong_form(text, "udmabuf:SIZE[,huge], heap:NAME,SIZE, "
                            "vfio:BDF,REGION,OFFSET+LENGTH[*COUNT/STRIDE][,...], drm:CARD,SIZE or "
                            "from:SIZE,COMMAND");
}

std::uint64_t size_bytes_of(const ForeignSpec& spec) {
    if (const auto* udmabuf = std::get_if<UdmabufSpec>(&spec))
        return udmabuf->size_bytes;
    if (const auto* heap = std::get_if<HeapSpec>(&spec))
        return heap->size_bytes;
    if (const auto* drm = std::get_if<DrmSpec>(&spec))
        return drm->bytes;
    if (const auto* from = std::get_if<FromSpec>(&spec))
        return from->size_bytes;
    return std::get<VfioSpec>(spec).size_bytes();
}

std::string exporter_of(const ForeignSpec& spec) {
    if (const auto* udmabuf = std::get_if<UdmabufSpec>(&spec))
        return udmabuf->huge ? "udmabuf,huge" : "udmabuf";
    if (const auto* heap = std::get_if<HeapSpec>(&spec))
        return "heap:" + heap->heap;
    if (const auto* drm = std::get_if<DrmSpec>(&spec))
        return "drm:" + drm->card;
    if (const auto* from = std::get_if<FromSpec>(&spec))
        return "from:" + file_name_of(from->command);

    const auto& vfio = std::get<VfioSpec>(spec);

    return "vfio:" + vfio.device + "," + std::to_string(vfio.region);
}

Result<Fd> make_udmabuf_memory(const UdmabufSpec& spec) {
    const unsigned int huge = spec.huge ? MFD_HUGETLB | memfd_huge_2mb : 0U;
    Fd memory(memfd_create("udmabuf", MFD_ALLOW_SEALING | MFD_CLOEXEC | huge));

    if (!memory && spec.huge && has_no_huge_pages(errno))
        return lacking("huge pages of 2 MiB (CONFIG_HUGETLBFS), for a memfd");
    if (!memory)
        return errno_error("memfd_create");
    if (ftruncate(memory.get(), static_cast<off_t>(spec.size_bytes)) < 0)
        return errno_error("set the size of a memfd");
    if (fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK) < 0)
        return errno_error("seal a memfd");
    /* Allocates the pages now. UDMABUF_CREATE would do so too, but its errors say less. */
    if (fallocate(memory.get(), 0, 0, static_cast<off_t>(spec.size_bytes)) == 0)
        return memory;
    if (spec.huge && (errno == ENOSPC || errno == ENOMEM))
        return lacking(std::to_string(spec.size_bytes / huge_page_bytes) +
                       " free huge pages of 2 MiB; /proc/sys/vm/nr_hugepages makes them");
    return errno_error("fill a memfd with pages");
}

Result<ForeignBuffer> make_udmabuf(const UdmabufSpec& spec) {
    Result<Fd> control = open_file("/dev/udmabuf", ": it needs CONFIG_UDMABUF");

    if (!control)
        return control.error();

    Result<Fd> memory = make_udmabuf_memory(spec);

    if (!memory)
        return memory.error();

    udmabuf_create request{};

    request.memfd = static_cast<std::uint32_t>(memory.value().get());
    request.flags = UDMABUF_FLAGS_CLOEXEC;
    request.size = spec.size_bytes;

    Fd buffer(ioctl(control.value().get(), UDMABUF_CREATE, &request));

    if (!buffer && errno == EINVAL)
        return Error{EINVAL, "UDMABUF_CREATE refuses " + std::to_string(spec.size_bytes >> 20) +
                                 " MiB: see /sys/module/udmabuf/parameters/size_limit_mb"};
    if (!buffer)
        return errno_error("UDMABUF_CREATE");
    return ForeignBuffer{.fd = std::move(buffer),
                         .nr_pages = spec.size_bytes / page_bytes(),
                         .memory = std::move(memory).value(),
                         .device = {},
                         .sender = {}};
}

Result<ForeignBuffer> make_heap(const HeapSpec& spec) {
    Result<Fd> heap = open_file("/dev/dma_heap/" + spec.heap, "");

    if (!heap)
        return heap.error();

    dma_heap_allocation_data request{};

    request.len = spec.size_bytes;
    request.fd_flags = O_RDWR | O_CLOEXEC;
    if (ioctl(heap.value().get(), DMA_HEAP_IOCTL_ALLOC, &request) < 0)
        return errno == ENOMEM
                   ? lacking(std::to_string(spec.size_bytes >> 20) + " MiB of free memory")
                   : errno_error("DMA_HEAP_IOCTL_ALLOC of the heap " + spec.heap);
    return ForeignBuffer{.fd = Fd(static_cast<int>(request.fd)),
                         .nr_pages = spec.size_bytes / page_bytes(),
                         .memory = {},
                         .device = {},
                         .sender = {}};
}

Result<ForeignBuffer> make_vfio(const VfioSpec& spec) {
    Result<VfioDevice> device = VfioDevice::open(spec.device);

    if (!device)
        return device.error();

    Result<Fd> buffer = device.value().export_dma_buf(spec.region, spec.ranges);

    if (!buffer)
        return buffer.error();
    return ForeignBuffer{.fd = std::move(buffer).value(),
                         .nr_pages = spec.size_bytes() / page_bytes(),
                         .memory = {},
                         .device = std::move(device).value(),
                         .sender = {}};
}

Result<ForeignBuffer> make_drm(const DrmSpec& spec) {
    Result<Fd> buffer = make_drm_buffer(spec);

    if (!buffer)
        return buffer.error();
    return ForeignBuffer{.fd = std::move(buffer).value(),
                         .nr_pages = spec.bytes / page_bytes(),
                         .memory = {},
                         .device = {},
                         .sender = {}};
}

Result<ForeignBuffer> make_from(const FromSpec& spec) {
    Result<SentBuffer> sender = SentBuffer::receive(spec.command, command_limit);

    if (!sender)
        return sender.error();

    const off_t bytes = lseek(sender.value().fd(), 0, SEEK_END);

    if (bytes != static_cast<off_t>(spec.size_bytes))
        return Error{EINVAL, "'" + spec.command + "' has sent " + std::to_string(bytes) +
                                 " bytes, and not " + std::to_string(spec.size_bytes)};

    Fd buffer = sender.value().take();

    return ForeignBuffer{.fd = std::move(buffer),
                         .nr_pages = spec.size_bytes / page_bytes(),
                         .memory = {},
                         .device = {},
                         .sender = std::move(sender).value()};
}

Result<ForeignBuffer> make_foreign(const ForeignSpec& spec) {
    if (const auto* udmabuf = std::get_if<UdmabufSpec>(&spec))
        return make_udmabuf(*udmabuf);
    if (const auto* heap = std::get_if<HeapSpec>(&spec))
        return make_heap(*heap);
    if (const auto* drm = std::get_if<DrmSpec>(&spec))
        return make_drm(*drm);
    if (const auto* from = std::get_if<FromSpec>(&spec))
        return make_from(*from);
    return make_vfio(std::get<VfioSpec>(spec));
}

} // namespace testexp
