# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# write_series writes kernel patches, module and self-tests as patches for git am. Needs common.sh, deps.sh, source.sh,
# `root`, `target`, `target_line` and the functions of scripts/stage.

# The same input must give the same bytes, so git reads no user's configuration, the author is fixed, and each commit
# has the time of the last kernel patch.
series_git() {
	local who='dmabuf-pfn developers' mail=dmabuf-pfn@example.org
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null \
		GIT_AUTHOR_NAME=$who GIT_AUTHOR_EMAIL=$mail GIT_AUTHOR_DATE=$series_date \
		GIT_COMMITTER_NAME=$who GIT_COMMITTER_EMAIL=$mail GIT_COMMITTER_DATE=$series_date \
		git -C "$repo" -c core.fileMode=true -c core.autocrlf=false -c core.abbrev=12 -c commit.gpgSign=false \
		-c gc.auto=0 "$@"
}

kernel_patches() { patches "${version:?}" | sed "s|^|$(series_dir "$version")/|"; }

# Makes a repository of the files of the clean tree that the series changes.
series_base() {
	local tarball name files
	need series && need_source "$version" || return
	tarball=$(source_place "$version")
	name=$(basename "$tarball" .tar.xz)
	mapfile -t files < <({
		kernel_patches | xargs -d '\n' sed -n 's/^--- a\///p'
		echo MAINTAINERS
		echo tools/testing/selftests/Makefile
	} | sort -u | sed "s|^|$name/|")
	tar -C "$repo" --strip-components=1 -xf "$tarball" "${files[@]}" ||
		{ say "cannot unpack $tarball to $repo; is the disk full?"; return 1; }
	series_git init -q -b series && series_git add -f . && series_git commit -q -m base && series_git tag base
}

# Prints the staged files in the tree that are not committed yet and match a pattern. Patterns are shell patterns.
uncommitted() {
	local place pattern
	series_git ls-files --others "${target:?}" | while read -r place; do
		for pattern; do
			# shellcheck disable=SC2053  # a pattern it is
			[[ ${place#"$target"/} == $pattern ]] && echo "$place" && break
		done
	done
}

# commit_part FILE: commits the files of one patch, which FILE of kernel/series describes.
commit_part() {
	local patterns place
	read -ra patterns < <(sed -n 's/^# files: //p' "$1")
	while read -r place; do series_git add -f "$place" || return; done < <(uncommitted "${patterns[@]}")
	for place in "${patterns[@]}"; do
		case $place in
		MAINTAINERS)
			sed -i 's|^F:\tinclude/linux/dma-resv\.h$|&\nF:\t'"$target/|" "$repo/MAINTAINERS" &&
				series_git add MAINTAINERS || return ;;
		../Makefile)
			add_target && series_git add "${target%/*}/Makefile" || return ;;
		esac
	done
	sed '/^#/d' "$1" | series_git commit -q -s -F -
}

series_commits() {
	local from place part
	kernel_patches | xargs -d '\n' realpath | xargs -d '\n' bash -c 'git_am "$@"' am || return
	while read -r from place; do
		mkdir -p "$(dirname "$repo/$target/$place")" && cp "${root:?}/$from" "$repo/$target/$place" || return
	done < <(staged_files)
	for part in "$root"/kernel/series/[1-9]*.txt; do
		commit_part "$part" || { say "cannot commit $part"; return 1; }
	done
}
git_am() { series_git am -q --keep-cr --committer-date-is-author-date "$@"; }

# write_series DIR VERSION: writes the patches for this version of Linux to DIR, which must be new or empty.
write_series() {
	local out=$1 version=$2 repo series_date makefile left reason
	reason=$(mkdir -p "$out" 2>&1) || die "${reason#mkdir: }; name another directory"
	[ -z "$(ls -A "$out")" ] || die "$out is not empty; name a new directory"
	out=$(readlink -f "$out")
	repo=$(mktemp -d) || die "cannot make a temporary directory"
	# shellcheck disable=SC2064  # the directory of now
	trap "rm -rf '$repo'" EXIT
	# shellcheck disable=SC2034  # add_target reads it
	makefile=$repo/${target%/*}/Makefile
	series_date=$(sed -n 's/^Date: //p' "$(kernel_patches | tail -n 1)")
	export repo series_date
	export -f git_am series_git
	series_base || exit 1
	series_commits || die "a patch does not apply, or cannot be committed (see above)"
	left=$(series_git status --porcelain | head -n 1)
	[ -z "$left" ] || die "no patch of kernel/series takes ${left#???}"
	series_git config branch.series.description "$(sed '/^#/d' "$(series_dir "$version")/cover.txt")"
	series_git format-patch -q --cover-letter --cover-from-description=subject --numbered --zero-commit \
		--no-signature --no-renames -o "$out" base ||
		die "cannot write to $out; is the disk full?"
	say "wrote $(find "$out" -name '*.patch' | wc -l) files to $out"
}
