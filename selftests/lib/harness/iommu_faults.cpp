// SPDX-License-Identifier: GPL-2.0
#include "iommu_faults.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include "layout.hpp"
#include "limits.hpp"

namespace testexp {

namespace {

/* The kernel's limit ends after five seconds. A DMA of edu takes a tenth of a second. */
constexpr int most_accesses = 500;

/* The interrupt of a fault may come after the access. */
constexpr int looks_after_access = 50;

/* As in selftests/iommu_faults.py: Intel, AMD with the device in the text, AMD before the text. */
const std::regex& formats(std::size_t index) {
    static const std::regex all[] = {
        std::regex(R"(DMAR: \[DMA (?:Read|Write)[^\]]*\] Request device \[([\da-f:.]+)\] )"
                   R"((?:PASID \w+ )?fault addr (?:0x)?([\da-f]+) .*)"),
        std::regex(R"(AMD-Vi: Event logged \[IO_PAGE_FAULT device=([\da-f:.]+) .*)"
                   R"(\baddress=0x([\da-f]+) .*)"),
        std::regex(R"([\w-]+ ([\da-f:.]+): AMD-Vi: Event logged \[IO_PAGE_FAULT .*)"
                   R"(\baddress=0x([\da-f]+) .*)"),
    };

    return all[index];
}

std::string with_segment(const std::string& device) {
    return std::ranges::count(device, ':') == 2 ? device : "0000:" + device;
}

std::string hex(std::uint64_t value) {
    std::array<char, 32> text{};

    (void)std::snprintf(text.data(), text.size(), "%#llx", static_cast<unsigned long long>(value));
    return value ? text.data() : "0x0";
}

/*
 * Whether an Intel IOMMU has a fault that the kernel has not finished to report; nothing if the
 * kernel does not show this. The kernel clears the register FSTS when it has written its lines.
 * Each line of the file has a register's name, offset and contents.
 */
std::optional<bool> has_pending_faults() {
    std::ifstream file("/sys/kernel/debug/iommu/intel/iommu_regset");
    std::optional<bool> pending;
    std::string line;

    while (std::getline(file, line)) {
        std::istringstream words(line);
        std::string name;
        std::string offset;
        std::string contents;

        if (words >> name >> offset >> contents && name == "FSTS")
            pending = pending.value_or(false) || std::stoull(contents, nullptr, 16) != 0;
    }
    return pending;
}

} // namespace

std::optional<IommuFault> fault_in(const std::string& line) {
    std::smatch found;

    for (std::size_t i = 0; i < 3; i++)
        if (std::regex_match(line, found, formats(i)))
            return IommuFault{with_segment(found[1]), std::stoull(found[2], nullptr, 16)};
    return std::nullopt;
}

ExpectedFaults::ExpectedFaults(std::string device, const IovaRange& range)
    : device_(std::move(device)), range_(range) {
    announce("begin");
}

ExpectedFaults::~ExpectedFaults() {
    if (!has_ended_)
        announce("end");
}

/* The kernel limits the lines of each open file, so each line has a file of its own. */
void ExpectedFaults::announce(const char* word) const {
    const Fd log(open("/dev/kmsg", O_WRONLY | O_CLOEXEC));
    const std::string line = std::string("<6>expect-iommu-fault: ") + word + ' ' + device_ + ' ' +
                             hex(range_.first) + ' ' + hex(range_.last) + '\n';

    (void)!write(log.get(), line.data(), line.size());
}

/* With the lines of all accesses so far, where the kernel shows whether faults are pending. */
void ExpectedFaults::read_log() {
    while (has_pending_faults().value_or(false))
        std::this_thread::sleep_for(limits::look_again);
    for (const std::string& line : log_.new_lines())
        if (const auto fault = fault_in(line); fault && fault->device == device_ &&
                                               fault->iova >= range_.first &&
                                               fault->iova <= range_.last)
            faults_.push_back(*fault);
}

std::uint64_t ExpectedFaults::count_at(std::uint64_t iova) {
    read_log();
    return static_cast<std::uint64_t>(std::ranges::count_if(faults_, [&](const IommuFault& fault) {
        return fault.iova / page_bytes() == iova / page_bytes();
    }));
}

void ExpectedFaults::until_reported(std::uint64_t iova, const std::function<void()>& access) {
    const std::uint64_t before = count_at(iova);

    for (int attempt = 0; attempt < most_accesses; attempt++) {
        access();
        for (int look = 0; look < looks_after_access; look++) {
            if (count_at(iova) != before)
                return;
            std::this_thread::sleep_for(limits::look_again);
        }
    }
    throw std::runtime_error("the IOMMU reports no fault of " + device_ + " at " + hex(iova));
}

void ExpectedFaults::end(std::uint64_t iova, const std::function<void()>& access) {
    if (has_pending_faults().has_value())
        read_log();
    else
        until_reported(iova, access);
    announce("end");
    has_ended_ = true;
}

} // namespace testexp
