# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Functions that the guest tests share: TAP, and waiting. The tests source this file. Needs root and the loaded module.
# The build puts this file into the build directory.

case ${1-} in
'') ;;
*) echo "usage: $0   (no options; root, and dmabuf_testexp loaded)"; [ "$1" = --help ]; exit ;;
esac

lat=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/dmabuf-lat
number=0
failed=0

echo "TAP version 13"
bail() { echo "Bail out! $1"; exit 1; }
[ "$(id -u)" = 0 ] || bail "needs root"
[ -e /dev/dmabuf_testexp ] || bail "dmabuf_testexp is not loaded"
work=$(mktemp -d) || bail "no place for temporary files"
trap 'rm -rf "$work"' EXIT
cd "$work" || bail "no place for temporary files"

# result STATUS NAME: prints the case as one TAP line, and the messages of the command when the case failed.
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

# check NAME COMMAND...: a case that passes when COMMAND succeeds.
check() {
	local name=$1
	shift
	"$@" >&2
	result $? "$name"
}

# Prints the plan of TAP. Fails when a case failed.
finish() {
	echo "1..$number"
	echo "# $number checks, $failed failed"
	[ "$failed" -eq 0 ]
}

# values_in_buckets FILE: the smallest value of each histogram is in the first bucket, and the largest value in the last
# bucket. The sum is that of values in these buckets. A bucket is a sixteenth of an octave.
values_in_buckets() {
	jq -e '[.[] | select(.count > 0)] | length > 0 and all(
		.min <= .buckets[0][0] and .min > .buckets[0][0] * 15 / 16 - 1 and
		.max <= .buckets[-1][0] and .max > .buckets[-1][0] * 15 / 16 - 1 and
		.sum <= ([.buckets[] | .[0] * .[1]] | add) and
		.sum >= ([.buckets[] | (.[0] * 15 / 16 - 1) * .[1]] | add))' "$1"
}

# vfio_buffer: prints the name of a buffer of 64 KiB for lock_calls, of a BAR of a device that vfio-pci drives.
# Prints nothing when there is no such device. A line of the file "resource" is the first and the last byte of a BAR.
vfio_buffer() {
	local device region=0 first last
	for device in /sys/bus/pci/drivers/vfio-pci/*:*; do
		[ -e "$device/resource" ] || continue
		while read -r first last _; do
			[ $((last - first)) -lt 65535 ] || { echo "vfio:${device##*/},$region,0+64K"; return; }
			region=$((region + 1))
		done < "$device/resource"
	done
}

one_line() { [ "$(wc -l < log)" -eq 1 ]; }
says() { grep -q -- "$1" log; }

# wait_for COMMAND...: repeats COMMAND until COMMAND succeeds. The usual wait takes seconds, on a busy emulated machine
# a minute. After ten minutes the function fails, so that a hang ends.
wait_for() { for _ in $(seq 6000); do "$@" 2> /dev/null && return 0; sleep 0.1; done; return 1; }

# until_held TRACE...: repeats the trace while lock_calls reports that the hold ended before all threads waited. The
# module's fence ends the hold after a fixed time, so this happens on a busy machine. TRACE sets $status.
until_held() { for _ in $(seq 20); do "$@"; [ "$status" -eq 75 ] || break; done; }

# without_btf COMMAND...: runs the command where it finds no BTF of the kernel. libbpf also looks for a vmlinux below
# /lib/modules, where a kernel with modules has a link to its tree.
without_btf() {
	unshare -m sh -c 'mount --bind /dev/null /sys/kernel/btf/vmlinux &&
		{ [ ! -d /lib/modules ] || mount -t tmpfs none /lib/modules; } && exec "$@"' sh "$@"
}

# may_lose: succeeds on a kernel that may preempt a BPF program (PREEMPT_LAZY, the only model of Linux 7.3 beside full
# preemption). Another task may then reach the same program on this CPU. The kernel skips the program, and counts this.
# So calls of several tasks may be lost there, but they are never lost silently.
may_lose() { grep -qE '\((full|lazy)\)' /sys/kernel/debug/sched/preempt; }

# tells_misses: succeeds where the kernel tells how many returns its probes missed (Linux 6.7).
tells_misses() { [ "$(uname -r | awk -F. '{ print ($1 > 6 || ($1 == 6 && $2 >= 7)) }')" = 1 ]; }

# The kernel prepares a limited number of return probes for a function: twice the number of CPUs, at least ten. When
# this number of tasks is in the function, the kernel misses the returns of most of them.
too_many=$((4 * $(nproc --all) + 40))

# is_asleep PID: the process sleeps. A process that waits for a processor does not sleep.
is_asleep() { [ "$(sed 's/.*) //; s/ .*//' "/proc/$1/stat")" = S ]; }

# background COMMAND...: starts the command in the background, in a process group of its own, as a terminal would. Sets
# $pid.
background() { setsid env --default-signal=INT "$@" & pid=$!; }

# Prints all BPF programs in the kernel. When the output is the same as before a test, the tool's programs are gone. The
# kernel frees programs later, so use this function with wait_for.
programs() { bpftool prog list | grep -E '^[0-9]+:' | sed -E 's/^[0-9]+: //; s/ +gpl$//' | sort; }
programs_are() { [ "$(programs)" = "$1" ]; }
