/* SPDX-License-Identifier: GPL-2.0 */
/* Pages that a law takes away, and what their importers must have been told. */
#pragma once

#include <cstdint>
#include <string>

#include "subject.hpp"

namespace check {

/* The pages are taken away while this object lives. */
class Taken {
public:
    explicit Taken(const Invalidation& how) : how_(how) { how_.take(); }
    Taken(const Taken&) = delete;
    Taken& operator=(const Taken&) = delete;
    ~Taken();

    void give_back();

private:
    const Invalidation& how_;
    bool is_taken_ = true;
};

/* How often the callback of the importer was called until now. */
std::uint64_t callbacks_of(const testexp::Importer& importer);

/* @importer was told, after @before callbacks, that the pages are taken. It has no PFN any more. */
void expect_told(const testexp::Importer& importer, std::uint64_t before, const Invalidation& how,
                 const std::string& who);

} // namespace check
