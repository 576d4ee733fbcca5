/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The test module, for programs that nobody loads it for. The kselftest runner
 * knows nothing of modules, so a program brings its own.
 */
#pragma once

#include <string>
#include <utility>

#include <sys/types.h>

#include "testexp.hpp"

namespace testexp {

/* Where kselftest builds and installs it: in kmod-testexp beside this program. */
std::string module_path();

/*
 * A module loaded for this program. A process of its own, the keeper, loads it and
 * unloads it when the program has ended: also after a crash, or when the runner's
 * patience ends, so that no program depends on the one before it.
 */
class LoadedModule {
public:
    static Result<LoadedModule> load(const std::string& path);

    LoadedModule(LoadedModule&& other) noexcept
        : alive_(std::move(other.alive_)), keeper_(std::exchange(other.keeper_, -1)) {}
    LoadedModule& operator=(LoadedModule&&) = delete;
    LoadedModule(const LoadedModule&) = delete;
    LoadedModule& operator=(const LoadedModule&) = delete;
    ~LoadedModule() { (void)unload(); }

    /* Waits for the keeper. EBUSY when something still uses the module, so leaked. */
    Status unload();

private:
    LoadedModule(Fd alive, pid_t keeper) : alive_(std::move(alive)), keeper_(keeper) {}

    Fd alive_; /* the keeper has the other end */
    pid_t keeper_;
};

} // namespace testexp
