// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: an importer without a device works beside an importer with a device, and both may be
 * closed in either order. bufinfo in debugfs and the tracepoints of dma-buf show the attachment
 * without a device as a readable line. A revoke reaches this importer (P9). bufinfo also lists each
 * of many buffers and attachments. An attach without a buffer is refused with a WARNING.
 *
 * Method: attach both kinds to one buffer; read bufinfo before and after, and the trace.
 *
 * Does not see: which exporters accept such an importer, and that each of them refuses map
 * (truth_table). A stock kernel has no such importers.
 */
#include <algorithm>
#include <map>

#include <sys/stat.h>
#include <unistd.h>

#include "bufinfo.hpp"
#include "dma_buf_trace.hpp"
#include "fixture.hpp"

using namespace testexp;

namespace {

constexpr std::uint32_t no_device = TESTEXP_ATTACH_NO_DEVICE;

void require_no_device() {
    REQUIRE(device().has(TESTEXP_FEAT_NO_DEVICE), "the stock kernel refuses device-less importers");
}

Buffer create(std::uint32_t flags) {
    return device().create({.layout = Layout{}.ram(4), .flags = flags}).value();
}

std::ptrdiff_t count_lines(const std::vector<std::string>& lines, const std::string& text) {
    return std::count_if(lines.begin(), lines.end(), [&](const std::string& line) {
        return line.find(text) != std::string::npos;
    });
}

/* The first line that begins with @start, behind the first line @line. "" where there is none. */
std::string line_behind(const std::vector<std::string>& lines, const std::string& line,
                        const std::string& start) {
    const auto found =
        std::find_if(std::ranges::find(lines, line), lines.end(),
                     [&](const std::string& each) { return each.starts_with(start); });

    return found == lines.end() ? "" : *found;
}

/* Each attachment has a line of its own, and counts, also beside one without a device. */
void bufinfo() {
    require_no_device();

    const std::vector<std::string> before = bufinfo_lines();
    const Buffer buffer = create(0);
    const Importer first = device().attach(buffer.fd.get()).value();
    const Importer second = device().attach(buffer.fd.get(), no_device).value();
    const Importer third = device().attach(buffer.fd.get()).value();
    const std::vector<std::string> after = bufinfo_lines();
    const auto expect_added = [&](const std::string& line, std::ptrdiff_t count) {
        ksft::expect_eq(std::ranges::count(after, line) - std::ranges::count(before, line), count,
                        "new lines '" + line + "'");
    };

    expect_added("\t<no device>", 1);
    expect_added(std::string("\t") + device().info().importer_device, 2);
    ksft::expect_eq(line_behind(after, "\t<no device>", "Total "), "Total 3 devices attached",
                    "the number of attachments");
    ksft::expect_eq(count_lines(after, "(null)"), 0, "lines '(null)'");
}

/* The tracepoints take the name of the device, which a device-less attachment does not have. */
void tracepoints() {
    require_no_device();

    const DmaBufTrace trace;
    {
        const Buffer buffer = create(0);
        const Importer first = device().attach(buffer.fd.get(), no_device).value();
        const Importer second = device().attach(buffer.fd.get()).value();
    }
    const std::vector<std::string> lines = trace.lines();
    const std::string with = std::string("dev_name=") + device().info().importer_device;

    for (const char* event : {"dma_buf_dynamic_attach: ", "dma_buf_detach: "}) {
        std::vector<std::string> of_event;

        std::copy_if(lines.begin(), lines.end(), std::back_inserter(of_event),
                     [&](const std::string& line) {
                         return line.find(event) != std::string::npos &&
                                line.find(std::string("exp_name=") + TESTEXP_DEVICE_NAME) !=
                                    std::string::npos;
                     });
        ksft::expect_eq(of_event.size(), 2, std::string("lines of ") + event);
        ksft::expect_eq(count_lines(of_event, "dev_name=<no device>"), 1,
                        std::string("lines without a device of ") + event);
        ksft::expect_eq(count_lines(of_event, with), 1,
                        std::string("lines with a device of ") + event);
    }
}

/* 500 buffers of different lengths, each with an importer. Each must be listed once. */
void bufinfo_of_many() {
    constexpr std::uint64_t count = 500;
    std::vector<Buffer> buffers;
    std::vector<Importer> importers;

    for (std::uint64_t i = 1; i <= count; i++) {
        buffers.push_back(device().create({.layout = Layout{}.hole(i)}).value());
        importers.push_back(device().attach(buffers.back().fd.get()).value());
    }

    std::map<std::uint64_t, std::uint64_t> bytes_of_inode;
    std::uint64_t listed = 0, attachments = 0;
    const std::string attachment = std::string("\t") + device().info().importer_device;

    for (const std::string& line : bufinfo_lines()) {
        if (const auto buffer = listed_buffer(line);
            buffer && buffer->exporter == TESTEXP_DEVICE_NAME) {
            bytes_of_inode[buffer->inode] = buffer->bytes;
            listed++;
        }
        attachments += line.starts_with(attachment) ? 1 : 0;
    }
    ksft::expect_eq(listed, count, "lines of this exporter's buffers");
    for (std::uint64_t i = 0; i < count; i++) {
        struct stat status = {};

        if (fstat(buffers[i].fd.get(), &status) < 0)
            ksft::fail(errno_error("fstat").what);
        ksft::expect_eq(bytes_of_inode[status.st_ino], (i + 1) * page_bytes(),
                        "bytes listed for buffer " + std::to_string(i));
    }
    ksft::expect_eq(attachments, count, "attachments listed");
}

/* A driver's bug that user space cannot make. */
void no_buffer() {
    REQUIRE(device().has(TESTEXP_FEAT_MISUSE), "load the module with allow_misuse=1");
    for (int times = 0; times < 2; times++)
        expect_warnings(1, [] {
            ksft::expect_eq(device().misuse(TESTEXP_MISUSE_NULL_BUFFER).value(), -EINVAL, "attach");
        });
}

/* Both kinds are attached to one buffer and closed in either order. */
void side_by_side(bool device_less_first) {
    require_no_device();

    const Buffer buffer = create(0);
    Result<Importer> with = device().attach(buffer.fd.get());
    Result<Importer> without = device().attach(buffer.fd.get(), no_device);

    ksft::expect_eq(with.value().map().code(), 0, "map with device");
    ksft::expect_eq(without.value().map().code(), EINVAL, "map without");
    (void)Importer(std::move(device_less_first ? without : with).value()); /* closes it */
    const Importer left = std::move(device_less_first ? with : without).value();

    ksft::expect_eq(left.resolve(0, 4).value()[3].error, 0, "error of get_pfn");
    ksft::expect_eq(left.map().code(), device_less_first ? 0 : EINVAL,
                    "map of the importer that is left");
}

void revoked_without_device() {
    require_no_device();

    const Buffer buffer = create(0);
    const Importer importer = device().attach(buffer.fd.get(), no_device).value();

    ksft::expect_eq(device().revoke(buffer.fd.get()).code(), 0, "revoke");
    expect_refused(importer.resolve(0, 1).value()[0], ENODEV, "get_pfn");
    ksft::expect_eq(importer.map().code(), EINVAL, "map");
    ksft::expect_eq(device().attach(buffer.fd.get(), no_device).code(), ENODEV, "attach");
}

void stock_kernel_refuses() {
    ksft::expect_eq(device().attach(create(0).fd.get(), no_device).code(), EOPNOTSUPP, "attach");
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    plan.add("P9.bufinfo", bufinfo);
    plan.add("P9.tracepoints", tracepoints);
    plan.add("bufinfo.many", bufinfo_of_many);
    plan.add("attach.null_buffer", no_buffer);
    plan.add("P9.side_by_side[first_closed=no_device]", [] { side_by_side(true); });
    plan.add("P9.side_by_side[first_closed=device]", [] { side_by_side(false); });
    plan.add("P9.revoked", revoked_without_device);
    if (!device().has(TESTEXP_FEAT_NO_DEVICE))
        plan.add("attach.no_device[kernel=stock]", stock_kernel_refuses);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
