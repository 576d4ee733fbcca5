# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Packages of Debian suites that this machine does not use. apt works with lists of our own, so the machine's own
# sources do not get the suites, and nothing is installed. Needs common.sh and deps.sh.

# open_suites DIR SUITE...: makes DIR new, and fetches the lists of these suites there. apt writes to DIR/apt.log.
# Returns 1 when the mirror does not have one of the suites, or does not answer.
open_suites() {
	local directory=$1 mirror
	shift
	rm -rf "$directory"
	mkdir -p "$directory/lists/partial" "$directory/cache/archives/partial" || die "cannot create $directory"
	mirror=$(suites_mirror)
	printf "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror %s main\n" "$@" \
		>"$directory/sources.list"
	export -f suite_apt suite_run
	run_step "look for packages in ${*: -1}" "$directory/apt.log" '' 0 \
		bash -c 'suite_apt "$@"' bash "$directory" update --error-on=any
}

suites_mirror() {
	local mirror
	mirror=$(debian_mirror)
	echo "${mirror:-http://deb.debian.org/debian}"
}

# suite_apt DIR COMMAND...: apt-get with the sources in DIR/sources.list and with everything that apt writes in DIR.
suite_apt() { suite_run apt-get "$@"; }

# suite_search DIR PATTERN: prints the names of the packages that match.
suite_search() { suite_run apt-cache "$1" search --names-only "$2" | cut -d ' ' -f 1; }

suite_run() {
	local program=$1 directory=$2
	shift 2
	(cd "$directory" && "$program" -q \
		-o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::SourceList="$directory/sources.list" \
		-o Dir::State::Lists="$directory/lists" -o Dir::Cache="$directory/cache" -o Debug::NoLocking=1 \
		-o APT::Sandbox::User=root -o Acquire::Retries=1 -o Acquire::http::Timeout=30 "$@")
}
