# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The flavours of Debian's own kernels, and their packages on this machine. Needs common.sh and deps.sh.

# A pattern for the releases of each flavour, such as 6.12.117+deb13-amd64. Kernels for clouds and with PREEMPT_RT
# belong to no flavour.
declare -A stock_releases=(
	[stock]='[0-9]+\.[0-9]+\.[0-9]+[-+][a-z0-9.+~]*-?amd64'
	[stock-6.1]='6\.1\.[0-9]+-[0-9]+-amd64'
	[stock-7.3]='7\.3\.[0-9]+\+deb13-amd64'
)

# The suites of the flavours of which this machine installs nothing: newer_stock.sh. scripts/kernel reads them, too.
# shellcheck disable=SC2034
declare -A stock_suites=([stock-7.3]=trixie-backports)

stock_flavours() { printf '%s\n' "${!stock_releases[@]}" | sort; }

known_stock() {
	local sources=()
	mapfile -t sources < <(more_sources)
	apt-cache "${sources[@]}" search --names-only "^linux-image-${stock_releases[$1]}-unsigned\$" |
		sed -n 's/^linux-image-\(.*\)-unsigned .*/\1/p' |
		grep -vE -- '-(cloud|rt)-' | sort -V | tail -n 1
}

# stock_headers FLAVOUR: prints the package of the newest release's headers. Old lists may name a package that the
# mirror no longer has, so this function updates the lists unless the package is installed. Returns 1 after one line on
# stderr when apt knows no package.
stock_headers() {
	local release log reason
	release=$(known_stock "$1")
	if [ -z "$release" ] || [ -n "$(missing_packages "linux-headers-$release")" ]; then
		log=$(mktemp)
		reason='this Debian has no such kernel'
		update_lists "$log" || reason=$(apt_reason "$log")
		release=$(known_stock "$1")
		[ -n "$release" ] ||
			say "apt knows no package for kernel $1 (linux-image-${stock_releases[$1]}-unsigned): $reason"
		rm -f "$log"
	fi
	[ -z "$release" ] || echo "linux-headers-$release"
	[ -n "$release" ]
}
