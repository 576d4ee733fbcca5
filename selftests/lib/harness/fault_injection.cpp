// SPDX-License-Identifier: GPL-2.0
#include "fault_injection.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <unistd.h>

#include "fixture.hpp"

namespace testexp {

namespace {

const std::string debugfs = "/sys/kernel/debug/";
const std::string slab_caches = "/sys/kernel/slab";
constexpr const char* fail_nth = "/proc/thread-self/fail-nth";

/* "N": allocations that may sleep can fail. "Y": they cannot. */
const std::string slab_switch = debugfs + "failslab/ignore-gfp-wait";

/* Allocations of a smaller order never fail. */
const std::string pages_switch = debugfs + "fail_page_alloc/min-order";

/* Caches of the kernel's checkers for DMA mappings and for leaks, which must not fail. */
constexpr const char* checkers[] = {"radix_tree_node", "kmemleak_object", "kmemleak_scan_area"};

bool exists(const std::string& path) {
    return access(path.c_str(), F_OK) == 0;
}

std::string read_word(const std::string& path) {
    std::ifstream file(path);
    std::string word;

    file >> word;
    return word;
}

bool write_word(const std::string& path, const std::string& value) {
    return static_cast<bool>(std::ofstream(path) << value << std::flush);
}

bool is_checker(const std::string& cache) {
    return std::find(std::begin(checkers), std::end(checkers), cache) != std::end(checkers);
}

} // namespace

FaultInjection::FaultInjection() {
    mount_debugfs();
    for (const char* needed : {"failslab", "fail_page_alloc"})
        if (!exists(debugfs + needed))
            ksft::skip(std::string("the kernel has no ") + needed +
                       " in debugfs (needs CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC and "
                       "CONFIG_FAULT_INJECTION_DEBUG_FS)");
    if (!exists(fail_nth))
        ksft::skip(std::string("the kernel has no ") + fail_nth);

    has_usercopy_ = exists(debugfs + "fail_usercopy");
    has_dma_debug_ = read_word(debugfs + "dma-api/disabled") == "N";
    spares_its_cache_ = has_dma_debug_ && mark_slab_caches();

    set(debugfs + "failslab/cache-filter", spares_its_cache_ ? "Y" : "N");
    set(debugfs + "failslab/verbose", "0");
    set(debugfs + "fail_page_alloc/ignore-gfp-wait", "N");
    set(debugfs + "fail_page_alloc/ignore-gfp-highmem", "N");
    set(debugfs + "fail_page_alloc/verbose", "0");
    if (has_usercopy_)
        set(debugfs + "fail_usercopy/verbose", "0");
    set(slab_switch, "Y");
    set(pages_switch, "64");
}

FaultInjection::~FaultInjection() {
    for (auto old = saved_.rbegin(); old != saved_.rend(); ++old)
        (void)write_word(old->first, old->second);
}

void FaultInjection::set(const std::string& path, const std::string& value) {
    saved_.emplace_back(path, read_word(path));
    if (!write_word(path, value))
        throw std::runtime_error("cannot write " + value + " to " + path);
}

/* Marks all caches except those of the checkers. Returns false if the kernel cannot do that. */
bool FaultInjection::mark_slab_caches() {
    if (!exists(slab_caches + "/radix_tree_node/failslab"))
        return false;
    for (const auto& cache : std::filesystem::directory_iterator(slab_caches)) {
        const std::string attribute = cache.path() / "failslab";

        /* The kernel refuses this for caches that are merged with others. */
        if (!cache.is_symlink() && !is_checker(cache.path().filename()) &&
            read_word(attribute) == "0" && write_word(attribute, "1"))
            saved_.emplace_back(attribute, "0");
    }
    return true;
}

void FaultInjection::select(FaultKind kind) const {
    if (!write_word(slab_switch, kind == FaultKind::slab ? "N" : "Y") ||
        !write_word(pages_switch, kind == FaultKind::pages ? "0" : "64"))
        throw std::runtime_error("cannot write " + slab_switch + " or " + pages_switch);
}

bool FaultInjection::spares_dma_debug(FaultKind kind) const {
    return !has_dma_debug_ || (kind == FaultKind::slab && spares_its_cache_);
}

NthFault::NthFault() : fd_(open(fail_nth, O_RDWR | O_CLOEXEC)) {
    if (!fd_)
        throw std::runtime_error(errno_error(fail_nth).what);
}

void NthFault::arm(unsigned int nth) const {
    const std::string text = std::to_string(nth);

    if (pwrite(fd_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
        throw std::runtime_error(errno_error("arm fail-nth").what);
}

/* Reading and writing fail-nth copies from and to user space, and this copy may fail as well. */
bool NthFault::disarm() const {
    std::array<char, 32> text{};
    const ssize_t got = pread(fd_.get(), text.data(), text.size() - 1, 0);
    const bool failed_here = got < 0 && errno == EFAULT;

    while (pwrite(fd_.get(), "0", 1, 0) != 1)
        if (errno != EFAULT)
            throw std::runtime_error(errno_error("disarm fail-nth").what);
    if (got < 0 && !failed_here)
        throw std::runtime_error("cannot read fail-nth");
    return !failed_here && std::string(text.data()) == "0\n";
}

} // namespace testexp
