# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Builds the programs for user space, outside the repository. Needs common.sh, deps.sh, progress.sh and `root`.

# userspace_dir [PRESET]: prints the build directory. Each clone and preset has its own, so that two clones do not undo
# each other's work.
userspace_dir() {
	printf '%s/build/%s%s\n' "$(cache_dir)" "$(printf '%s' "${root:?}" | sha256sum | cut -c 1-12)" "${1:+-$1}"
}

# build_userspace TARGETS [PRESET]: configures, and builds targets of CMake: `job` (what scripts/run needs), `all` (the
# native tests too), programs by name, or what the preset is for, see CMakePresets.json. TARGETS is one word, with
# spaces between targets. Prints nothing but progress. Waits for another build in the same directory. Returns 1 after
# one line on stderr.
build_userspace() {
	local target=$1 preset=${2:-} targets dir log lock status=0
	read -ra targets <<<"$target"
	dir=$(userspace_dir "$preset")
	log=$dir/build.log
	case $target in
	job | all | native | unit) need userspace native results || return 1 ;;
	# CMake looks for libraries only in the first configuration: a library that is missing then is missing in all
	# later builds.
	*) need userspace native || return 1 ;;
	esac
	if ! mkdir -p "$dir" || ! { exec {lock}>>"$dir/lock"; } 2>/dev/null; then
		say "cannot write to $dir; is the disk full?"
		return 1
	fi
	flock -n "$lock" || { say "waiting for another build of user space in $dir" && flock "$lock"; }
	build_target || status=$?
	exec {lock}>&-
	return $status
}

# build_target: configures and builds. Uses the variables of its caller, build_userspace. CMake reads the sources
# through a link in the build directory. So the paths of the sources are relative to the build directory, they are the
# same in each clone, and ccache has the objects that another clone compiled.
build_target() {
	local with_ccache=(env CCACHE_DIR="$(cache_dir)/ccache" CCACHE_BASEDIR="$dir" CCACHE_NOHASHDIR=1)
	if ! : >"$log" || ! ln -sfn "$root" "$dir/source"; then
		say "cannot write to $dir; is the disk full?"
		return 1
	fi
	if [ ! -f "$dir/build.ninja" ]; then
		run_step "configure user space" "$log" '' 0 "${with_ccache[@]}" cmake -S "$dir/source" -B "$dir" \
			-G Ninja --preset "${preset:-default}" \
			-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache ||
			{ build_failed configure "$log"; return 1; }
	fi
	run_step "build user space${preset:+ with $preset}" "$log" ninja 0 \
		"${with_ccache[@]}" ninja -C "$dir" -j "$(nproc)" "${targets[@]}" ||
		{ build_failed build "$log"; return 1; }
}

# build_failed STEP LOG: prints the first line of the log that has an error.
build_failed() {
	if grep -q 'No space left on device' "$2"; then
		say "disk full: $1 of user space needs about 500 MB under $(cache_dir)"
	else
		say "$1 of user space failed: $(grep -m 1 -E 'error:|Error' "$2" || tail -n 1 "$2") (log: $2)"
	fi
}

