# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What every script here shares. Source it after setting `me` to the command's name.

say() { printf '%s: %s\n' "${me:?}" "$*" >&2; }

# die MESSAGE...: the one line a user gets; status 1.
die() {
	say "$@"
	exit 1
}

# Prints where everything that can be rebuilt lives; nothing is ever cached in the repository.
cache_dir() { printf '%s/dmabuf-pfn\n' "${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}"; }
