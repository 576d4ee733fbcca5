# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the guest tests share: TAP, and waiting. Sourced; needs root and the module loaded. Stands in the build
# directory.

case ${1-} in
'') ;;
*) echo "usage: $0   (no options; root, and dmabuf_testexp loaded)"; [ "$1" = --help ]; exit ;;
esac

lat=$here/../dmabuf-lat
number=0
failed=0

echo "TAP version 13"
bail() { echo "Bail out! $1"; exit 1; }
[ "$(id -u)" = 0 ] || bail "needs root"
[ -e /dev/dmabuf_testexp ] || bail "dmabuf_testexp is not loaded"
work=$(mktemp -d) || bail "no place for temporary files"
trap 'rm -rf "$work"' EXIT
cd "$work" || bail "no place for temporary files"

# result STATUS NAME: one TAP line; what the command said goes along when it failed
result() {
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number $2"
	else
		failed=$((failed + 1))
		echo "not ok $number $2"
		[ ! -s log ] || sed 's/^/# /' log
	fi
}
skip() { number=$((number + 1)); echo "ok $number $1 # SKIP $2"; }

# check NAME COMMAND...: passes when COMMAND succeeds
check() {
	local name=$1
	shift
	"$@" >&2
	result $? "$name"
}

# The plan, and the verdict as exit status
finish() {
	echo "1..$number"
	echo "# $number checks, $failed failed"
	[ "$failed" -eq 0 ]
}

# The smallest value is in the first bucket of its histogram, and the largest in the last: a bucket is a sixteenth of
# an octave.
values_in_buckets() {
	jq -e '[.[] | select(.count > 0)] | length > 0 and all(
		.min <= .buckets[0][0] and .min > .buckets[0][0] * 15 / 16 - 1 and
		.max <= .buckets[-1][0] and .max > .buckets[-1][0] * 15 / 16 - 1)' "$1"
}

one_line() { [ "$(wc -l < log)" -eq 1 ]; }
says() { grep -q -- "$1" log; }

# Until COMMAND succeeds. What it waits for takes seconds, on a busy emulated machine a minute; the ten minutes end a
# hang.
wait_for() { for _ in $(seq 6000); do "$@" 2> /dev/null && return 0; sleep 0.1; done; return 1; }

# Whether a process waits for something to happen: not for a processor
is_asleep() { [ "$(sed 's/.*) //; s/ .*//' "/proc/$1/stat")" = S ]; }

# Starts a command in the background, in a process group of its own, as a terminal would; sets $pid.
background() { setsid env --default-signal=INT "$@" & pid=$!; }

# All BPF programs in the kernel; ours are gone when this is what it was. Frees are deferred, so ask with wait_for.
programs() { bpftool prog list | grep -E '^[0-9]+:' | sed -E 's/^[0-9]+: //; s/ +gpl$//' | sort; }
programs_are() { [ "$(programs)" = "$1" ]; }
