# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Functions that every script shares. Set `me` to the command's name, then source this file.

say() { printf '%s: %s\n' "${me:?}" "$*" >&2; }

# die MESSAGE...: prints the message as one line and ends the script with status 1.
die() {
	say "$@"
	exit 1
}

# cache_dir: prints the directory of everything that can be built again. Nothing is cached in the repository.
cache_dir() { printf '%s/dmabuf-pfn\n' "${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}"; }
