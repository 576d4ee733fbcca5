// SPDX-License-Identifier: GPL-2.0
#include "shared_progress.hpp"

#include <new>

#include <sys/mman.h>

#include "ksft.hpp"
#include "testexp.hpp"

namespace testexp {

Progress& shared_progress() {
    void* memory =
        mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        ksft::fail(errno_error("shared memory").what);
    return *new (memory) Progress;
}

} // namespace testexp
