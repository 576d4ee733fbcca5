# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# need_packages: Debian packages on demand, so that git and root are all a new machine must have. Needs common.sh.

# Runs a command as root: directly, or through sudo.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Runs apt-get without questions; waits for another apt instead of failing on its lock.
apt_get() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 -o Acquire::Retries=2 "$@"
}

# Prints those of the named packages that are not installed.
missing_packages() {
	local installed pkg
	# dpkg-query fails when it does not know one of them; what it prints is still right
	# shellcheck disable=SC2016  # ${...} is dpkg-query's own syntax
	installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null)
	for pkg; do
		grep -qxF "$pkg installed" <<<"$installed" || printf '%s\n' "$pkg"
	done
}

# need_packages PKG...: installs what is missing. Returns 1 after one line on stderr when it cannot.
need_packages() {
	local missing log
	command -v dpkg-query >/dev/null || { say "this needs Debian 12 (no dpkg here); install by hand: $*"; return 1; }
	mapfile -t missing < <(missing_packages "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
		say "packages are missing and this is not root; run: apt-get install ${missing[*]}"
		return 1
	fi
	say "installing ${missing[*]}"
	log=$(mktemp)
	# a new machine has no package lists, an old one has stale ones: both are cured by an update
	if ! apt_get install --no-install-recommends "${missing[@]}" >"$log" 2>&1 &&
		! { apt_get update && apt_get install --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
		say "apt cannot install ${missing[*]}: $(apt_reason "$log")"
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}

# apt_reason LOG: the line that says why apt failed; name resolution is the usual one.
apt_reason() {
	if grep -qE 'Temporary failure resolving|Could not connect|Could not resolve|Network is unreachable' "$1"; then
		echo "no network (or no way to the Debian mirror); check the connection and /etc/apt/sources.list"
	elif grep -q 'No space left on device' "$1"; then
		echo "disk full"
	else
		grep -m1 '^E: ' "$1" || tail -n 1 "$1"
	fi
}
