/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Faults that an IOMMU reports for accesses of a device. Each such line of the kernel's log is a
 * bug for the judges of the log, unless a test has announced it; see selftests/iommu_faults.py.
 */
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "kmsg.hpp"

namespace testexp {

/* An access that the IOMMU refused. */
struct IommuFault {
    std::string device; /* with its PCI segment: "0000:00:10.0" */
    std::uint64_t iova;

    bool operator==(const IommuFault&) const = default;
};

/* The fault that a line of the log reports; nothing if the line reports none. */
std::optional<IommuFault> fault_in(const std::string& line);

/* The addresses from @first to @last, which includes @last. */
struct IovaRange {
    std::uint64_t first;
    std::uint64_t last;
};

/**
 * Announces faults of a device in a range of addresses, from the constructor until end().
 *
 * The kernel reports a fault in an interrupt, so a line may come later than the end of the access.
 * Of the faults within five seconds the kernel reports only the first ones. So the absence of a
 * line proves nothing, and a test that needs a line repeats the access.
 */
class ExpectedFaults {
public:
    ExpectedFaults(std::string device, const IovaRange& range);
    ExpectedFaults(const ExpectedFaults&) = delete;
    ExpectedFaults& operator=(const ExpectedFaults&) = delete;

    /* A test that failed need not call end(). Then a line that comes late is a bug as well. */
    ~ExpectedFaults();

    /* How many faults were reported at this page since the construction. */
    std::uint64_t count_at(std::uint64_t iova);

    /* Calls @access, which accesses @iova, until a new fault is reported there. */
    void until_reported(std::uint64_t iova, const std::function<void()>& access);

    /**
     * Ends the announcement when the kernel has reported all faults so far: when no IOMMU has a
     * fault pending. Where debugfs does not tell this, the announcement ends with the line of one
     * more fault, because lines come in the order of the accesses. @access: as above, of an address
     * of the range that is not mapped.
     */
    void end(std::uint64_t iova, const std::function<void()>& access);

private:
    void read_log();
    void announce(const char* word) const;

    std::string device_;
    IovaRange range_;
    Kmsg log_;
    std::vector<IommuFault> faults_;
    bool has_ended_ = false;
};

} // namespace testexp
