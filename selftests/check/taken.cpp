// SPDX-License-Identifier: GPL-2.0
#include "taken.hpp"

#include "ksft.hpp"
#include "ways.hpp"

namespace check {

using namespace testexp;

Taken::~Taken() {
    try {
        give_back();
    } catch (const std::exception& error) {
        ksft::record_failure("cannot give the pages back after " + how_.name + ": " + error.what(),
                             __FILE__, __LINE__);
    }
}

void Taken::give_back() {
    if (is_taken_ && how_.give_back)
        how_.give_back();
    is_taken_ = false;
}

std::uint64_t callbacks_of(const Importer& importer) {
    return importer.audit().value().notifies;
}

void expect_told(const Importer& importer, std::uint64_t before, const Invalidation& how,
                 const std::string& who) {
    const testexp_audit after = importer.audit().value();

    if (const auto fault = callbacks_fault(how.callbacks, after.notifies - before))
        ksft::record_failure(who + ", when " + how.name + " ended: " + *fault, __FILE__, __LINE__);
    ksft::expect_eq(after.entries, 0, who + ": PFNs that the importer still has");
}

} // namespace check
