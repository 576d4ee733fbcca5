# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# This file lists what each step of the scripts needs of a Debian machine, and installs it. A new machine must have git,
# and root or sudo.
# This is the one list of packages. Needs common.sh.

# shellcheck source=scripts/lib/progress.sh
. "${BASH_SOURCE[0]%/*}/progress.sh"
# shellcheck source=scripts/lib/stock.sh
. "${BASH_SOURCE[0]%/*}/stock.sh"
# shellcheck source=scripts/lib/flavours.sh
. "${BASH_SOURCE[0]%/*}/flavours.sh"

# The packages whose programs or files each step uses, without the packages that every Debian has.
declare -A step_packages=(
	[python]='python3'
	[sources]='linux-source-6.12 xz-utils'
	[module]='build-essential libelf-dev'
	[kernel]='build-essential bc bison flex libelf-dev dwarves ccache kmod cpio xz-utils patch python3'
	[stock]='build-essential libelf-dev kmod xz-utils python3'
	[userspace]='build-essential ccache cmake ninja-build pkg-config clang bpftool libbpf-dev libelf-dev zlib1g-dev
		libbenchmark-dev libcli11-dev libfmt-dev nlohmann-json3-dev linux-source-6.12 xz-utils git'
	[native]='libgtest-dev perl'
	[vm]='qemu-system-x86 busybox-static util-linux kmod python3'
	[regression]='build-essential clang bpftool libbpf-dev libelf-dev zlib1g-dev libcap-dev uuid-dev'
	[results]='gnuplot-nox bpftrace'
	[perf]='linux-perf'
	[sparse]='sparse'
	[lint]='shellcheck clang-format sparse perl xz-utils git python3 shfmt'
	[tidy]='clang-tidy'
	[export]='python3-prometheus-client'
	[json]='jq'
	[fuzz]='libclang-rt-dev'
	[mutants]='python3-clang'
	[series]='git xz-utils linux-source-6.12'
	[scripts]='procps linux-source-6.12 build-essential bc bison flex libelf-dev xz-utils patch ccache perl rsync
		python3 git clang lld llvm clang-19 lld-19 llvm-19 python3-clang'
	[newcomer]='debootstrap git util-linux'
)

# For each step: MiB that its first run writes below the cache directory, MiB that stay there, and MiB of memory for its
# guests.
declare -A step_disk=([kernel]=4000 [stock]=600 [userspace]=700 [newcomer]=2000)
declare -A step_leaves=([kernel]='kernel/*/done' [stock]='kernel/stock-*/done' [userspace]='build/*/build.ninja'
	[newcomer]='newcomer/*/done')
declare -A step_memory=([vm]=4600)
packages_disk=3000 # of all packages of all steps, unpacked

# Runs a command as root: directly, or through sudo.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

can_be_root() { [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null; }

# more_sources: prints the options of apt for the sources that add_updates made, one option a line. Prints nothing where
# the machine's own sources are enough.
more_sources() {
	[ ! -d "$(cache_dir)/apt" ] ||
		printf '%s\n' -o "Dir::Etc::sourceparts=$(cache_dir)/apt" -o Dir::Etc::sourcelist=/dev/null
}

known_package() {
	local sources=()
	mapfile -t sources < <(more_sources)
	apt-cache "${sources[@]}" show "$1" >/dev/null 2>&1
}

# Prints the Debian mirror in the machine's sources of apt, or nothing when the sources name no Debian mirror.
debian_mirror() {
	local codename
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	sed -nE "s|^(deb .*)?(URIs: *)?(https?://[^ ]+/debian)/?( +$codename .*)?\$|\3|p" \
		/etc/apt/sources.list /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1
}

# add_updates LOG: the sources of a minimal Debian 12 have only the release, and Linux 6.12 came to Debian 12 with the
# updates. This function writes sources for the updates to a directory of the cache, so the machine's own sources stay
# as they are. Does nothing where apt knows Linux 6.12. Returns 1 when no mirror answers.
add_updates() {
	local dir codename mirror security=http://security.debian.org/debian-security source
	dir=$(cache_dir)/apt
	! known_package linux-source-6.12 || return 0
	update_lists "$1" || return
	! known_package linux-source-6.12 || return 0
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	mirror=$(debian_mirror)
	[ "$codename" ] && [ "$mirror" ] && mkdir -p "$dir" || return 0
	case $mirror in *//deb.debian.org/*) security=$mirror-security ;; esac
	for source in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
		[ ! -s "$source" ] || ln -sf "$source" "$dir/"
	done
	printf 'deb %s main\n' "$mirror $codename-updates" "$security $codename-security" >"$dir/updates.list"
	say "apt here knows no Linux 6.12: looking in $codename-updates and $codename-security as well ($dir)"
	update_lists "$1"
}

# Runs apt-get without questions; waits for another apt instead of failing on its lock.
apt_get() {
	local sources=()
	mapfile -t sources < <(more_sources)
	as_root env DEBIAN_FRONTEND=noninteractive apt-get "${sources[@]}" -q -y -o DPkg::Lock::Timeout=600 \
		-o Acquire::Retries=1 -o Acquire::http::Timeout=30 "$@"
}

# Prints the named packages that are not installed.
missing_packages() {
	local installed pkg
	# dpkg-query fails when it does not know a package; its output about the other packages is still right.
	# shellcheck disable=SC2016  # ${...} is dpkg-query's own syntax
	installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null)
	for pkg; do
		grep -qxF "$pkg installed" <<<"$installed" || printf '%s\n' "$pkg"
	done
}

# free_mib DIR: prints the free MiB on the file system of DIR. DIR need not exist yet.
free_mib() {
	local dir=$1
	while [ ! -d "$dir" ]; do dir=$(dirname "$dir"); done
	df --output=avail -m "$dir" | tail -n 1
}

available_memory_mib() { awk '/^(MemAvailable|SwapFree):/ { sum += $2 } END { print int(sum / 1024) }' /proc/meminfo; }

# step_problems MISSING_PACKAGES STEP...: prints a line for each requirement that no package can meet.
step_problems() {
	local missing=$1 step disk=0 memory=0
	shift
	for step in "${@%%-*}"; do # a flavour of stock is as stock
		[ -z "${step_leaves[$step]:-}" ] || compgen -G "$(cache_dir)/${step_leaves[$step]}" >/dev/null ||
			disk=$((disk + step_disk[$step]))
		[ "${step_memory[$step]:-0}" -le $memory ] || memory=${step_memory[$step]}
	done
	if [ "$missing" ]; then
		if ! command -v dpkg-query >/dev/null; then
			echo "this is no Debian (no dpkg); install by hand: $missing"
		elif ! can_be_root; then
			echo "packages are missing and this is neither root nor has it sudo; run: apt-get install" \
				"--no-install-recommends $missing"
		fi
		[ "$(free_mib /usr)" -ge $packages_disk ] ||
			echo "disk full: the packages of all steps need $packages_disk MiB under /usr and" \
				"$(free_mib /usr) are free; missing are $missing"
	fi
	[ "$(free_mib "$(cache_dir)")" -ge $disk ] ||
		echo "disk full: $disk MiB are needed under $(cache_dir) and $(free_mib "$(cache_dir)") are free;" \
			"make room or set XDG_CACHE_HOME"
	[ "$(available_memory_mib)" -ge $memory ] ||
		echo "memory: a guest needs $memory MiB and $(available_memory_mib) are free"
}

# need STEP...: looks for everything that these steps need, then installs what is missing, all at once. A step may be
# a stock flavour (stock.sh). Returns 1 after one line on stderr when the machine cannot do it.
need() {
	local step packages=() headers missing problems log
	for step; do
		# shellcheck disable=SC2206  # a list of words it is
		packages+=(${step_packages[${step%%-*}]?no step $step})
	done
	missing=$(missing_packages "${packages[@]}" | sort -u | paste -sd ' ')
	problems=$(step_problems "$missing" "$@" | paste -sd '|' | sed 's/|/; and /g')
	if [ "$problems" ]; then
		say "$problems"
		return 1
	fi
	if [ "$missing" ]; then
		log=$(mktemp)
		add_updates "$log" || problems=$(apt_reason "$log")
		rm -f "$log"
		if [ "$problems" ]; then
			say "apt cannot install $missing: $problems"
			return 1
		fi
	fi
	for step; do
		[[ $step != stock* ]] || [ "${stock_suites[$step]:-}" ] ||
			{ headers=$(stock_headers "$step") && packages+=("$headers"); } || return 1
	done
	need_packages "${packages[@]}"
}

# update_lists LOG: updates apt's lists of packages, as old lists name packages that the mirror no longer has. Returns 1
# when no mirror answers; when only some mirrors do not answer, returns 0.
update_lists() { apt_get update >"$1" 2>&1 && grep -qE '^(Hit|Get):' "$1"; }

# need_packages PKG...: installs the packages that are missing. Returns 1 after one line on stderr when apt fails.
need_packages() {
	local missing log
	mapfile -t missing < <(missing_packages "$@" | sort -u)
	[ ${#missing[@]} -gt 0 ] || return 0
	say "missing here, to be installed: ${missing[*]}"
	log=$(mktemp)
	if ! update_lists "$log" || ! install_packages "$log" "${missing[@]}"; then
		say "apt cannot install ${missing[*]}: $(apt_reason "$log")"
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}

# install_packages LOG PKG...: shows progress, except with sudo, as sudo may ask for a password on the terminal.
install_packages() {
	local log=$1
	shift
	apt_get install -s --no-install-recommends "$@" >"$log" 2>&1 || return
	export -f apt_get as_root more_sources cache_dir
	if [ "$(id -u)" -eq 0 ]; then
		run_step 'install packages' "$log" '^(Unpacking|Setting up) ' "$(grep -cE '^(Inst|Conf) ' "$log")" \
			bash -c 'apt_get install --no-install-recommends "$@"' bash "$@"
	else
		apt_get install --no-install-recommends "$@" >>"$log" 2>&1
	fi
}

# apt_reason LOG: prints why apt failed. The usual reason is that names of hosts cannot be resolved.
apt_reason() {
	if grep -qE 'Temporary failure resolving|Could not connect|Could not resolve|Network is unreachable' "$1"; then
		echo "no network (or no way to the Debian mirror); check the connection and /etc/apt/sources.list"
	elif grep -q 'No space left on device' "$1"; then
		echo "disk full"
	else
		grep -m1 '^E: ' "$1" || tail -n 1 "$1"
	fi
}

# need_python STATUS: ends the script with STATUS when Python or its standard library is missing. The package
# python3-minimal has no complete standard library.
need_python() {
	/usr/bin/python3 -c 'import argparse, json, lzma, subprocess' 2>/dev/null || need python || exit "$1"
}
