# SPDX-License-Identifier: GPL-2.0
#
# Sets kselftest_dir to a directory of the build with a copy of the kernel's kselftest.h, from KSELFTEST_DIR, else a
# kernel tree of this machine, else the Debian source package. The build uses a copy because a cached kernel tree may be
# removed while the build stays.
set(KSELFTEST_DIR "" CACHE PATH "tools/testing/selftests of a kernel tree, for kselftest.h")
set(kselftest_dir "${CMAKE_CURRENT_BINARY_DIR}/kselftest")

if(DEFINED ENV{XDG_CACHE_HOME})
  set(kernels "$ENV{XDG_CACHE_HOME}/dmabuf-pfn/kernel")
else()
  set(kernels "$ENV{HOME}/.cache/dmabuf-pfn/kernel")
endif()

# Unpacks kselftest.h from a Debian source package, if there is one.
function(extract_kselftest)
  file(GLOB tarballs "/usr/src/linux-source-6.*.tar.xz")
  foreach(tarball IN LISTS tarballs)
    cmake_path(GET tarball FILENAME name)
    string(REGEX REPLACE "\\.tar\\.xz$" "" name "${name}")
    message(STATUS "Taking kselftest.h out of ${tarball}")
    execute_process(
      COMMAND tar -xJf "${tarball}" --occurrence=1 "${name}/tools/testing/selftests/kselftest.h"
      WORKING_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}"
      ERROR_QUIET)
  endforeach()
endfunction()

function(find_kselftest)
  file(GLOB trees "${kernels}/*/tools/testing/selftests" "/usr/src/linux-*/tools/testing/selftests"
    "${CMAKE_CURRENT_BINARY_DIR}/linux-*/tools/testing/selftests")
  find_path(found kselftest.h PATHS ${KSELFTEST_DIR} ${trees} NO_DEFAULT_PATH NO_CACHE)
  if(found)
    set(kselftest_origin "${found}" PARENT_SCOPE)
  endif()
endfunction()

find_kselftest()
if(NOT kselftest_origin AND NOT EXISTS "${kselftest_dir}/kselftest.h")
  extract_kselftest()
  find_kselftest()
endif()
if(kselftest_origin)
  file(COPY "${kselftest_origin}/kselftest.h" DESTINATION "${kselftest_dir}")
endif()
