// SPDX-License-Identifier: GPL-2.0
/* Prints what the test module is to be loaded with on this machine: selftests/run asks. */
#include <cstdio>

#include "module_parameters.hpp"

int main() {
    return std::puts(testexp::module_parameters().c_str()) < 0 ? 1 : 0;
}
