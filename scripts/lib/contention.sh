# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Contention counted in instructions. Needs `root`.

# count_contention KERNEL BIN MODULE FILE [VM ARGS...] -- [BENCH ARGS...]: leaves the result in FILE, or none; prints what the benchmark says. The guest is
# sealed: who gets a lock first depends on everything that happens before, so two boots agree only when nothing at all differs.
count_contention() {
	local kernel=$1 bin=$2 module=$3 file=$4 args=() status=0
	shift 4
	while [ "$1" != -- ]; do args+=("$1"); shift; done
	shift
	# shellcheck disable=SC2016  # expanded in the guest
	"${root:?}/scripts/vm" --kernel "$kernel" --icount --smp 9 --mem 3072 --timeout 1500 "${args[@]}" \
		--sealed "$module" --sealed "$bin/bench/bench_contention" -- \
		sh -c 'insmod "$1" && shift && bench_contention "$@" --out /tmp/result >&2; status=$?; cat /tmp/result; exit $status' \
		sh "${module##*/}" "$@" >"$file" || status=$?
	[ $status -lt 250 ] && [ -s "$file" ] || rm -f "$file"
	return $status
}
