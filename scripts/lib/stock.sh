# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The kernels that this machine's Debian has packages of. Needs common.sh and deps.sh.

# What apt calls the releases of a flavour, 6.12.117+deb13-amd64 for one; those of clouds and PREEMPT_RT are others.
declare -A stock_releases=(
	[stock]='[0-9]+\.[0-9]+[0-9.]*[-+][a-z0-9.+~]*-?amd64'
	[stock-6.1]='6\.1\.[0-9]+-[0-9]+-amd64'
)

stock_flavours() { printf '%s\n' "${!stock_releases[@]}" | sort; }

known_stock() {
	apt-cache search --names-only "^linux-image-${stock_releases[$1]}-unsigned\$" | sed -n 's/^linux-image-\(.*\)-unsigned .*/\1/p' |
		grep -vE -- '-(cloud|rt)-' | sort -V | tail -n 1
}

# stock_headers FLAVOUR: prints the package of the newest release's headers. Lists that are old may name one that the mirror has no more, so they are brought
# up to date unless the package is there. Returns 1 after one line on stderr when there is none.
stock_headers() {
	local release log
	release=$(known_stock "$1")
	if [ -z "$release" ] || [ -n "$(missing_packages "linux-headers-$release")" ]; then
		log=$(mktemp)
		update_lists "$log"
		release=$(known_stock "$1")
		[ -n "$release" ] || say "apt knows no linux-image-${stock_releases[$1]}-unsigned: $(apt_reason "$log")"
		rm -f "$log"
	fi
	[ -z "$release" ] || echo "linux-headers-$release"
	[ -n "$release" ]
}
