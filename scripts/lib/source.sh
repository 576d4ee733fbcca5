# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Where the source of a kernel comes from: a package that is installed, a package of a suite that this machine does not
# use, or what --source names. Needs common.sh, deps.sh, suites.sh, `root`, and `own_source` (what --source names, or
# nothing).

# The directory of a source package from another suite. The package is unpacked there and not installed, and the
# machine's own sources do not get the suite.
fetched_dir() { echo "$(cache_dir)/source/$(source_package "$1")"; }

# describe_source FLAVOUR: prints a name of the source for messages.
describe_source() {
	if [ "$own_source" ]; then echo "$own_source"; else echo "$(source_package "$1") $(source_version "$1")"; fi
}

# source_version FLAVOUR: prints a text that identifies the source, or nothing while the source is not there.
source_version() {
	if [ -d "$own_source" ]; then
		(cd "$own_source" && find . -name .git -prune -o -type f -printf '%P %s %T@\n') | sort | sha256sum |
			cut -d ' ' -f 1
	elif [ "$own_source" ]; then
		sha256sum <"$own_source" | cut -d ' ' -f 1
	elif [ "$(source_suite "$1")" = - ]; then
		dpkg-query -W -f='${Version}' "$(source_package "$1")" 2>/dev/null
	else
		cat "$(fetched_dir "$1")/version" 2>/dev/null
	fi
}

# source_place FLAVOUR: prints the tarball or the directory of the source.
source_place() {
	if [ "$own_source" ]; then
		echo "$own_source"
	elif [ "$(source_suite "$1")" = - ]; then
		echo "/usr/src/$(source_package "$1").tar.xz"
	else
		echo "$(fetched_dir "$1")/usr/src/$(source_package "$1").tar.xz"
	fi
}

# need_source FLAVOUR: gets the source. Ends the script after one line when nothing can provide the source.
need_source() {
	if [ "$own_source" ]; then
		return
	elif [ "$(source_suite "$1")" = - ]; then
		need sources || exit 1
	else
		fetch_source "$1"
	fi
}

# --- the default kernel -----------------------------------------------------------------------------------------------

# A file that exists when the source of the flavour could not be had.
absence() { echo "$(fetched_dir "$1").absent"; }

# is_absent FLAVOUR: whether nothing could provide the source within the last day. A mirror that does not answer costs
# a minute, so not every command asks the mirror again.
is_absent() { [ -n "$(find "$(absence "$1")" -mtime -1 2>/dev/null)" ]; }

# likely_default: prints the newest version whose source is not known to be absent. Reads the cache only.
likely_default() {
	local version
	for version in $(versions); do
		is_absent "$version" || { echo "$version" && return; }
	done
	echo "$version"
}

# default_flavour: gets the source of the newest version, and prints this version. When the source cannot be had, says
# so in one line and takes the next version.
default_flavour() {
	local version otherwise=''
	for version in $(versions); do
		if is_absent "$version"; then
			say "$(source_package "$version") could not be had within the last day;" \
				"an older Linux is the default (to ask the mirror again: rm $(absence "$version"))"
			continue
		fi
		[ "$(source_suite "$version")" != - ] || break
		otherwise='an older Linux is the default'
		# in a subshell, because a failure ends the shell
		! (need_source "$version") || break
	done
	echo "$version"
}

# --- a package of another suite ---------------------------------------------------------------------------------------

# mirror_lacks FLAVOUR WHAT: ends the script because the mirror cannot provide the source of the flavour. The choice of
# a default then does not ask the mirror again within a day.
mirror_lacks() {
	[ ! "${otherwise:-}" ] || : >"$(absence "$1")"
	die "$(suites_mirror) has no $2;" \
		"${otherwise:-name a source with --source, or take another kernel (scripts/kernel list)}"
}

# fetch_source FLAVOUR: downloads and unpacks the source, unless this was done before. One process at a time does so.
fetch_source() {
	local package suite directory log lock way_on
	package=$(source_package "$1")
	suite=$(source_suite "$1")
	directory=$(fetched_dir "$1")
	log=$directory/apt.log
	way_on=${otherwise:-name a source with --source}
	mkdir -p "$(dirname "$directory")" && exec {lock}>"$directory.lock" && flock "$lock" ||
		die "cannot write to $(dirname "$directory"); is the disk full?"
	[ ! -f "$directory/version" ] || { exec {lock}>&- && return; }
	[ "$(free_mib "$directory")" -ge 400 ] ||
		die "disk full: 400 MiB are needed under $directory for $package; make room or set XDG_CACHE_HOME"
	open_suites "$directory" "$suite" || mirror_lacks "$1" "$suite for $package: $(apt_reason "$log")"
	[ "$(suite_search "$directory" "^$package\$")" ] || mirror_lacks "$1" "$package in $suite"
	run_step "download $package" "$log" '' 0 bash -c 'suite_apt "$@"' bash "$directory" download "$package" ||
		die "apt cannot download $package of $suite: $(apt_reason "$log"); $way_on"
	dpkg-deb -x "$directory/$package"_*.deb "$directory" 2>>"$log" ||
		die "cannot unpack $package to $directory; is the disk full?"
	dpkg-deb -f "$directory/$package"_*.deb Version >"$directory/version.tmp" &&
		rm -rf "$directory"/{cache,lists,"$package"_*.deb} &&
		mv "$directory/version.tmp" "$directory/version" || die "cannot write to $directory; is the disk full?"
	rm -f "$(absence "$1")"
	exec {lock}>&-
}

# unpack_source PLACE TREE OPTION...: puts the source into TREE. The options are options of tar, which leave out the
# files of a tarball that no build needs.
unpack_source() {
	local place=$1 tree=$2
	shift 2
	if [ -d "$place" ]; then
		# The user may have built in this directory: make would take these objects for newer than the sources.
		tar -C "$place" --exclude-vcs --exclude='*.o' --exclude='*.ko' --exclude='*.a' --exclude='.*.cmd' \
			--exclude=./.config --exclude=./include/config \
			--exclude=./include/generated --exclude='./arch/*/include/generated' -cf - . |
			tar -C "$tree" -xf -
	else
		tar -C "$tree" --strip-components=1 "$@" -xf "$place"
	fi
}
