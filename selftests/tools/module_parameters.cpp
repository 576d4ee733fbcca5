// SPDX-License-Identifier: GPL-2.0
/* Prints the parameters of the test module for this machine; selftests/run calls this. */
#include <cstdio>

#include "module_parameters.hpp"

int main() {
    return std::puts(testexp::module_parameters().c_str()) < 0 ? 1 : 0;
}
