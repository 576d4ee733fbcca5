/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What CREATE, RESOLVE and DESCRIBE must answer, derived from testexp_uapi.h and from the bytes
 * that the call passes. How the bytes came about does not matter.
 */
#pragma once

#include <cstdint>
#include <span>

#include "create_rules.hpp"
#include "testexp_uapi.h"

namespace testexp {

/* The caller's memory from a pointer on, as far as it is accessible. Empty for a bad pointer. */
using Bytes = std::span<const unsigned char>;

/*
 * @passed: the memory that the ioctl's pointer reaches; it begins with the struct
 * @array: the memory that the pointer in the struct reaches
 * @info: INFO of the module, for its limits
 */
Verdict verdict_of_create_call(Bytes passed, Bytes array, const testexp_info& info);
Verdict verdict_of_resolve_call(Bytes passed, Bytes array, const testexp_info& info);

/* @nr_pages: length of the buffer. The buffer is the module's own and is not revoked. */
Verdict verdict_of_describe_call(Bytes passed, std::uint64_t nr_pages, const testexp_info& info);

} // namespace testexp
