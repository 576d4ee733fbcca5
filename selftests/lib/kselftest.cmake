# SPDX-License-Identifier: GPL-2.0
#
# Sets KSELFTEST_DIR to a directory that has the kernel's kselftest.h: a kernel
# tree that is there already, else the one file out of the Debian source package.
if(NOT DEFINED ENV{XDG_CACHE_HOME})
  set(kernels "$ENV{HOME}/.cache/dmabuf-pfn/kernel")
else()
  set(kernels "$ENV{XDG_CACHE_HOME}/dmabuf-pfn/kernel")
endif()

function(extract_kselftest tarball)
  cmake_path(GET tarball FILENAME name)
  string(REGEX REPLACE "\\.tar\\.xz$" "" name "${name}")
  set(file "${name}/tools/testing/selftests/kselftest.h")
  message(STATUS "Taking kselftest.h out of ${tarball}")
  execute_process(
    COMMAND tar -xJf "${tarball}" --occurrence=1 "${file}"
    WORKING_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}"
    ERROR_QUIET)
endfunction()

function(find_kselftest)
  file(GLOB trees "${kernels}/*/tools/testing/selftests" "/usr/src/linux-*/tools/testing/selftests"
    "${CMAKE_CURRENT_BINARY_DIR}/linux-*/tools/testing/selftests")
  find_path(found kselftest.h PATHS ${trees} NO_DEFAULT_PATH NO_CACHE)
  if(found)
    set(KSELFTEST_DIR "${found}" CACHE PATH "" FORCE)
  endif()
endfunction()

if(NOT EXISTS "${KSELFTEST_DIR}/kselftest.h")
  set(KSELFTEST_DIR "" CACHE PATH "" FORCE)
  find_kselftest()
endif()
if(NOT KSELFTEST_DIR)
  file(GLOB tarballs "/usr/src/linux-source-6.*.tar.xz")
  if(tarballs)
    list(GET tarballs 0 tarball)
    extract_kselftest("${tarball}")
    find_kselftest()
  endif()
endif()
if(NOT KSELFTEST_DIR)
  message(WARNING "no kselftest.h, so no self-tests: apt-get install linux-source-6.12, "
    "or set KSELFTEST_DIR to tools/testing/selftests of a kernel tree")
endif()
