// SPDX-License-Identifier: GPL-2.0
#include "drm_buffer.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <limits>
#include <set>

#include <fcntl.h>
#include <sys/ioctl.h>

#include "foreign_buffer.hpp"
#include "layout.hpp"

namespace testexp {

namespace {

namespace fs = std::filesystem;

/* Parts of drm/drm.h and drm/drm_mode.h. Some machines do not have these headers. */
struct Version {
    int major, minor, patch;
    std::size_t name_length;
    char* name;
    std::size_t date_length;
    char* date;
    std::size_t description_length;
    char* description;
};

struct CreateDumb {
    std::uint32_t height, width, bits_per_pixel, flags;
    std::uint32_t handle, pitch; /* answers */
    std::uint64_t size;
};

struct PrimeHandle {
    std::uint32_t handle, flags;
    std::int32_t fd;
};

constexpr unsigned long get_version = _IOWR('d', 0x00, Version);
constexpr unsigned long create_dumb = _IOWR('d', 0xb2, CreateDumb);
constexpr unsigned long prime_handle_to_fd = _IOWR('d', 0x2d, PrimeHandle);

/* Rows of one page each, so that the driver has nothing to round up. */
constexpr std::uint32_t bits_per_pixel = 32;

Error lacking(std::string what) {
    return {EOPNOTSUPP, std::move(what)};
}

Result<Fd> open_card(const fs::path& node) {
    Fd card(open(node.c_str(), O_RDWR | O_CLOEXEC));

    if (!card && errno == ENOENT)
        return lacking(node.string() + ", which is not there");
    if (!card && (errno == EACCES || errno == EPERM))
        return Error{errno, "no permission to open " + node.string() + ": run as root"};
    if (!card)
        return errno_error("open " + node.string());
    return card;
}

std::string driver_of(const Fd& card) {
    std::string name(64, '\0');
    Version version{};

    version.name = name.data();
    version.name_length = name.size();
    if (ioctl(card.get(), get_version, &version) < 0)
        return "";
    name.resize(std::min(name.size(), version.name_length));
    return name;
}

/* The nodes card0, card1 and so on. */
std::set<fs::path> all_cards(const fs::path& dri) {
    std::set<fs::path> cards;
    std::error_code error;

    for (const auto& entry : fs::directory_iterator(dri, error))
        if (entry.path().filename().string().starts_with("card"))
            cards.insert(entry.path());
    return cards;
}

Result<Fd> find_card(const std::string& driver, const fs::path& dri) {
    for (const fs::path& node : all_cards(dri)) {
        Result<Fd> card = open_card(node);

        if (!card)
            return card;
        if (driver_of(card.value()) == driver)
            return card;
    }
    return lacking("a card in " + dri.string() + " of the driver " + driver + "; say modprobe " +
                   driver);
}

bool is_number(const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

Result<Fd> export_dumb(const Fd& card, std::uint64_t bytes) {
    const std::string driver = "the driver " + driver_of(card); /* before errno has a meaning */
    CreateDumb dumb{};
    PrimeHandle prime{};

    dumb.bits_per_pixel = bits_per_pixel;
    dumb.width = static_cast<std::uint32_t>(page_bytes() * 8 / bits_per_pixel);
    dumb.height = static_cast<std::uint32_t>(bytes / page_bytes());
    if (ioctl(card.get(), create_dumb, &dumb) < 0)
        return errno_error(driver + " makes no dumb buffer");
    if (dumb.size != bytes)
        return Error{EPROTO, driver + " made a buffer of " + std::to_string(dumb.size) +
                                 " bytes; ask for this size"};
    prime.handle = dumb.handle;
    prime.flags = O_RDWR | O_CLOEXEC;
    if (ioctl(card.get(), prime_handle_to_fd, &prime) < 0)
        return errno_error(driver + " exports no dma-buf");
    return Fd(prime.fd);
}

} // namespace

Result<DrmSpec> parse_drm(std::string_view text) {
    const auto comma = text.find(',');
    const std::string card(text.substr(0, comma));
    const Result<std::uint64_t> bytes =
        parse_bytes(comma == std::string_view::npos ? "" : text.substr(comma + 1));

    if (!bytes || card.empty() || card.find('/') != std::string::npos || bytes.value() == 0 ||
        bytes.value() % page_bytes() != 0 ||
        bytes.value() > std::numeric_limits<std::uint32_t>::max())
        return Error{EINVAL,
                     "'" + std::string(text) +
                         "' is not CARD,SIZE, with SIZE in whole pages and less than 4 GiB, "
                         "such as 0,2M or vgem,2M"};
    return DrmSpec{card, bytes.value()};
}

Result<Fd> make_drm_buffer(const DrmSpec& spec, const fs::path& dri) {
    const Result<Fd> card =
        is_number(spec.card) ? open_card(dri / ("card" + spec.card)) : find_card(spec.card, dri);

    if (!card)
        return card.error();
    return export_dumb(card.value(), spec.bytes);
}

} // namespace testexp
