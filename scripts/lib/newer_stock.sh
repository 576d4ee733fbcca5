# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Debian's own kernel of a suite that this machine does not use. The image, its modules and its headers are unpacked in
# the cache, and nothing is installed. Needs stock.sh, suites.sh, and the functions of scripts/kernel that build a
# kernel from source.
#
# The headers are for the compiler and the C library of a newer Debian. Tools that do not run here are replaced by the
# same tools of the same Linux version, built from source.

# build_newer_stock FLAVOUR SUITE RELEASES: RELEASES is the pattern for the releases of the flavour.
build_newer_stock() {
	local flavour=$1 tree
	need stock kernel || exit 1
	tree=$(cached_stock "$flavour")
	if [ -z "$tree" ]; then
		locked "$flavour"
		tree=$(cached_stock "$flavour")
		[ -n "$tree" ] || { fetch_newer_stock "$@" && tree=$(cached_stock "$flavour"); }
	fi
	newer_headers "$tree"
}

# newer_headers TREE: prints the tree to build a module against.
newer_headers() { echo "$1/usr/src/linux-headers-$(cat "$1/done")"; }

fetch_newer_stock() {
	local flavour=$1 suite=$2 releases=$3 directory=${kernels:?}/$1.packages log release base tree package
	log=$directory/apt.log
	need_space 1000
	open_suites "$directory" "$suite" ||
		die "$(suites_mirror) has no $suite for kernel $flavour: $(apt_reason "$log");" \
			"take another kernel (scripts/kernel list)"
	release=$(suite_search "$directory" '^linux-headers-' | sed -n 's/^linux-headers-//p' |
		grep -xE "$releases" | sort -V | tail -n 1)
	[ -n "$release" ] || die "$suite has no kernel $flavour; take another kernel (scripts/kernel list)"
	base=${release%-amd64}
	run_step "download Linux $release" "$log" '' 0 bash -c 'suite_apt "$@"' bash "$directory" download \
		linux-{binary,modules,headers}-"$release" "linux-headers-$base-common" "linux-kbuild-$base" ||
		die "apt cannot download Linux $release of $suite: $(apt_reason "$log"); take another kernel"
	tree=$kernels/$flavour-$release
	rm -rf "$tree"
	mkdir -p "$tree" || die "cannot create $tree"
	log=$tree/build.log
	for package in "$directory"/*.deb; do
		run_step "unpack $(basename "${package%%_*}")" "$log" '' 0 dpkg-deb -x "$package" "$tree" ||
			failed unpack "$log"
	done
	rm -rf "$directory"
	place_newer_image "$tree" "$release"
	fit_headers "$tree" "$release" "$(version_in "$flavour")"
	echo "$release" >"$tree/done" || die "disk full: cannot write $tree/done"
}

version_in() { echo "${1#stock-}"; }

# place_newer_image TREE RELEASE: puts the image and the modules where those of other stock kernels are.
place_newer_image() {
	local tree=$1 release=$2 modules=$1/usr/lib/modules/$2 log=$1/build.log
	{ ln -s usr/lib "$tree/lib" && mkdir "$tree/boot" && mv "$modules/vmlinuz" "$tree/boot/vmlinuz-$release" &&
		rm -f "$modules/build" "$modules/source"; } 2>>"$log" || failed unpack "$log"
	prune_stock "$modules"
	run_step "index the modules" "$log" '' 0 depmod -b "$tree" "$release" || failed depmod "$log"
}

# fit_headers TREE RELEASE VERSION: makes the headers build with the compiler and the C library of this machine.
fit_headers() {
	local tree=$1 version=$3 headers=$1/usr/src/linux-headers-$2 kbuild tools libraries
	kbuild=$tree/usr/lib/linux-kbuild-${2%-amd64}
	sed -i "s|/usr/src|$tree/usr/src|g" "$headers/Makefile"
	sed -i 's/gcc-[0-9]*$/gcc/' "$headers/.kernelvariables"
	rm -f "$headers/vmlinux" # only for BTF, which wants the pahole that built the kernel
	echo 'int x;' | gcc -fmin-function-alignment=16 -x c -c -o /dev/null - 2>/dev/null ||
		sed -i '/CC_HAS_MIN_FUNCTION_ALIGNMENT/d' \
			"$headers"/{.config,include/config/auto.conf,include/generated/autoconf.h}
	add_checker_script "$version" "$kbuild"
	# ldd names the version of the C library that is missing
	libraries=$(ldd "$kbuild"/{scripts/mod/modpost.real-lsb-64,tools/objtool/objtool.real-x86} 2>&1)
	if [[ $libraries = *'not found'* ]]; then
		tools=$(host_tools "$version" "$tree") || exit 1
		cp "$tools/scripts/mod/modpost" "$kbuild/scripts/mod/" &&
			cp "$tools/tools/objtool/objtool" "$kbuild/tools/objtool/" ||
			die "disk full: cannot write to $kbuild"
		rm -rf "$tree/tools"
	fi
}

# add_checker_script VERSION KBUILD: Debian's headers of 7.3 lack the script that asks whether sparse works, and without
# it C=1 checks nothing.
add_checker_script() {
	local script=scripts/checker-valid.sh
	[ ! -e "$2/$script" ] || return 0
	need_source "$1"
	tar -C "$2" --strip-components=1 -xf "$(source_place "$1")" "$(source_package "$1")/$script" ||
		die "cannot unpack $script to $2; is the disk full?"
}

# host_tools VERSION TREE: prints a directory with modpost and objtool of the version: a kernel in the cache, or
# TREE/tools, which this function builds.
host_tools() {
	local version=$1 tree=$2/tools built
	for built in "$kernels/$version"*-????????????; do
		[ -x "$built/scripts/mod/modpost" ] && [ -x "$built/tools/objtool/objtool" ] && echo "$built" && return
	done
	need_source "$version"
	prepare_tree "$version-upstream" "$tree"
	run_step "build the host tools of $version" "$tree/build.log" '^  (HOST)?(CC|LD) ' 110 \
		bash -c 'kernel_make "$@"' kernel_make "$tree" prepare scripts ||
		failed "build of the host tools" "$tree/build.log"
	echo "$tree"
}
