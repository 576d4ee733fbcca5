/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What CREATE, RESOLVE and DESCRIBE have to answer to the bytes that they are passed, read
 * from testexp_uapi.h. Nothing else counts: neither how the bytes came about nor what they
 * were before.
 */
#pragma once

#include <cstdint>
#include <span>

#include "create_rules.hpp"
#include "testexp_uapi.h"

namespace testexp {

/* The caller's memory from a pointer on, as far as it can be accessed. Empty: a bad pointer. */
using Bytes = std::span<const unsigned char>;

/*
 * @passed: what the ioctl's pointer reaches, the struct first
 * @array: what the pointer in the struct reaches
 * @info: of the module; its limits count
 */
Verdict verdict_of_create_call(Bytes passed, Bytes array, const testexp_info& info);
Verdict verdict_of_resolve_call(Bytes passed, Bytes array, const testexp_info& info);

/* @nr_pages: length of the buffer, which is one of the module's and not revoked */
Verdict verdict_of_describe_call(Bytes passed, std::uint64_t nr_pages, const testexp_info& info);

} // namespace testexp
