# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The flavours of the kernels that are built from source: version, patches and configuration of each. Needs common.sh,
# stock.sh and `root`.
#
# VERSION is a row of kernel/versions, with the series of the version. VERSION-NAME has kernel/config/NAME.config or
# kernel/patches/VERSION/NAME.config on top. VERSION-upstream and VERSION-NAME-upstream have the same configuration and
# no series.

# Names without a version are older than kernel/versions. The name base stands for this version, and NAME for the
# flavour NAME of this version.
unnamed_version=6.12

versions() { sed 's/[[:space:]]*#.*//; /^$/d' "${root:?}/kernel/versions" | awk '{ print $1 }'; }

# version_field FLAVOUR NUMBER: prints a column of the version's row in kernel/versions.
version_field() {
	local version
	version=$(version_of "$1")
	awk -v version="$version" -v number="$2" '$1 == version { print $number }' "${root:?}/kernel/versions"
}
source_package() { version_field "$1" 2; }
source_suite() { version_field "$1" 3; }
usual_objects() { version_field "$1" 4; }

# full_name FLAVOUR: prints the name of the flavour with its version.
full_name() {
	case $1 in
	base) echo "$unnamed_version" ;;
	[0-9]* | stock*) echo "$1" ;;
	*) echo "$unnamed_version-$1" ;;
	esac
}

version_of() {
	local name
	name=$(full_name "$1")
	echo "${name%%-*}"
}

# variant_of FLAVOUR: prints the flavour's name without the version, or nothing when the flavour is VERSION alone.
variant_of() {
	local name
	name=$(full_name "$1")
	case $name in *-*) echo "${name#*-}" ;; esac
}

series_dir() { echo "${root:?}/kernel/patches/$(version_of "$1")"; }

# Prints the fragments of a flavour's configuration that exist; the last fragment that names an option decides. The
# flavour VERSION-mutants has the configuration of VERSION.
fragments() {
	local directory name fragment
	directory=$(series_dir "$1")
	name=$(variant_of "$1")
	name=${name%upstream}
	name=${name%-}
	for fragment in "${root:?}/kernel/config/base.config" "$directory/base.config" \
		"$root/kernel/config/$name.config" "$directory/$name.config"; do
		[ ! -f "$fragment" ] || echo "$fragment"
	done
}

# Prints the patches of a flavour in the order of its series file (one name per line, # comments).
patches() {
	case $(variant_of "$1") in upstream | *-upstream) return ;; esac
	sed 's/[[:space:]]*#.*//; /^[[:space:]]*$/d' "$(series_dir "$1")/series"
}

# Prints the flavours that are built from source.
flavours() {
	local version
	for version in $(versions); do
		echo "$version"
		{
			echo upstream
			find "${root:?}/kernel/config" "$root/kernel/patches/$version" -name '*.config' \
				! -name base.config -printf '%f\n' | sed 's/\.config$//; p; s/$/-upstream/'
		} | sort -u | sed "s/^/$version-/"
	done
}

# check_flavour NAME: ends the script when no flavour has this name.
check_flavour() {
	local known
	known=$(flavours && stock_flavours)
	grep -qxF -- "$(full_name "$1")" <<<"$known" || die "no flavour '$1'; there are: $(paste -sd ' ' <<<"$known")"
}
