// SPDX-License-Identifier: GPL-2.0
#include "contend.hpp"

#include "call.hpp"

namespace testexp {

namespace {

testexp_contender abi_contender(const Contender& from) {
    testexp_contender to{};

    to.role = from.role;
    to.flags = from.user ? TESTEXP_CONTENDER_USER : 0;
    to.path = from.path;
    to.cpu = from.cpu;
    to.first = from.first;
    to.count = from.count;
    to.ops = from.ops;
    to.hold_ticks = from.hold_ticks;
    to.idle_ticks = from.idle_ticks;
    to.address = from.address;
    return to;
}

} // namespace

Result<testexp_run> Contention::run() const {
    return ask(fd(), TESTEXP_IOC_RUN, sized<testexp_run>(), "RUN");
}

Status Contention::join(std::uint32_t contender) const {
    auto request = sized<testexp_join>();

    request.contender = contender;
    return call(fd(), TESTEXP_IOC_JOIN, request, "JOIN");
}

Result<ContenderReport> Contention::report(std::uint32_t contender) const {
    ContenderReport result{sized<testexp_report>()};
    testexp_report& request = result.counts;

    request.contender = contender;
    request.wait = user_pointer(&result.wait);
    request.hold = user_pointer(&result.hold);
    request.op = user_pointer(&result.op);

    const Status status = call(fd(), TESTEXP_IOC_REPORT, request, "REPORT");

    if (!status)
        return status.error();
    /* The addresses mean nothing in the caller's copy. */
    request.wait = request.hold = request.op = 0;
    return result;
}

Result<std::vector<ContenderReport>> Contention::reports() const {
    std::vector<ContenderReport> all;

    for (std::uint32_t contender = 0; contender < nr_contenders_; contender++) {
        Result<ContenderReport> one = report(contender);

        if (!one)
            return one.error();
        all.push_back(std::move(one).value());
    }
    return all;
}

Result<Contention> contend(const Device& device, const ContentionSpec& spec) {
    std::vector<testexp_contender> contenders;
    auto request = sized<testexp_contend>();

    contenders.reserve(spec.contenders.size());
    for (const Contender& contender : spec.contenders)
        contenders.push_back(abi_contender(contender));
    request.importers = user_pointer(spec.importers.data());
    request.contenders = user_pointer(contenders.data());
    request.nr_importers = static_cast<std::uint32_t>(spec.importers.size());
    request.nr_contenders = static_cast<std::uint32_t>(contenders.size());
    request.seed = spec.seed;
    request.run_ticks = spec.run_ticks;
    request.timeout_ms = spec.timeout_ms;
    request.contention_fd = -1;

    const Status status = call(device.fd(), TESTEXP_IOC_CONTEND, request, "CONTEND");

    if (!status)
        return status.error();
    return Contention(Fd(request.contention_fd), contenders.size());
}

double jain_index(std::span<const std::uint64_t> shares) {
    double sum = 0;
    double squares = 0;

    for (const std::uint64_t share : shares) {
        sum += static_cast<double>(share);
        squares += static_cast<double>(share) * static_cast<double>(share);
    }
    return squares == 0 ? 1 : sum * sum / (static_cast<double>(shares.size()) * squares);
}

} // namespace testexp
