/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Loads the test module for a program that starts without it. The kselftest runner does not know
 * about modules, so each program loads its own.
 */
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "child.hpp"
#include "testexp.hpp"

namespace testexp {

/* Where kselftest builds and installs the module: in kmod-testexp beside this program. */
std::string module_path();

/*
 * How many references keep the loaded module from being unloaded. Each object of the module holds
 * one. std::runtime_error where sysfs does not tell the number.
 */
std::uint64_t module_references();

/*
 * A module loaded for this program. A process of its own, the keeper, loads it, and unloads it when
 * the program has ended, even after a crash or a timeout. So no program depends on the one before
 * it.
 */
class LoadedModule {
public:
    static Result<LoadedModule> load(const std::string& path);

    LoadedModule(LoadedModule&& other) noexcept
        : alive_(std::move(other.alive_)), keeper_(std::move(other.keeper_)) {
        other.keeper_.reset();
    }
    LoadedModule& operator=(LoadedModule&&) = delete;
    LoadedModule(const LoadedModule&) = delete;
    LoadedModule& operator=(const LoadedModule&) = delete;
    ~LoadedModule() { (void)unload(); }

    /* Waits for the keeper. EBUSY if something still uses the module, which is a leak. */
    Status unload();

private:
    LoadedModule(Fd alive, Child keeper) : alive_(std::move(alive)), keeper_(std::move(keeper)) {}

    Fd alive_;                    /* the keeper has the other end */
    std::optional<Child> keeper_; /* until it has been waited for */
};

} // namespace testexp
