# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# run_step: a long command with its output in a log and its progress on stderr. Needs common.sh.

progress_interval_s=15 # between lines when stderr is not a terminal

elapsed() { printf '%dm%02ds' $(($1 / 60)) $(($1 % 60)); }

# run_step STEP LOG PATTERN TOTAL CMD...: runs CMD, output appended to LOG. Progress is the number of lines in LOG that match PATTERN (an extended
# regular expression, '' for none) of about TOTAL; or what ninja says itself where PATTERN is `ninja`. Returns CMD's status. A signal to this shell ends CMD and everything it started.
run_step() {
	local step=$1 log=$2 pattern=$3 total=$4 start=$SECONDS next=$progress_interval_s pid status=0 traps
	shift 4
	traps=$(trap -p INT TERM HUP) # the caller's, for afterwards
	# a session of its own, so that one kill reaches all of make's children; pdeathsig for the case that nobody is left to kill them
	setsid setpriv --pdeathsig TERM -- "$@" >>"$log" 2>&1 </dev/null &
	pid=$!
	# shellcheck disable=SC2064  # the pid of now
	trap "kill -TERM -- -$pid 2>/dev/null; wait $pid 2>/dev/null; exit 130" INT TERM HUP
	[ -t 2 ] || say "$step"
	while kill -0 "$pid" 2>/dev/null; do
		sleep 1
		if [ -t 2 ]; then
			printf '\r\033[K%s: %s' "${me:?}" "$(progress_text)" >&2
		elif [ $((SECONDS - start)) -ge $next ]; then
			say "$(progress_text)"
			next=$((SECONDS - start + progress_interval_s))
		fi
	done
	wait "$pid" || status=$?
	trap - INT TERM HUP
	eval "$traps"
	[ ! -t 2 ] || printf '\r\033[K' >&2
	[ $status -ne 0 ] || say "$(progress_text), done"
	return $status
}

# The line of the step that run_step runs now (its variables are in scope).
progress_text() {
	local count=''
	case $pattern in
	'') ;;
	ninja) count=$(sed -nE 's/^\[([0-9]+)\/([0-9]+)\].*/\1 of \2, /p' "$log" | tail -n 1) ;;
	*) count="$(grep -cE "$pattern" "$log") of about $total, " ;;
	esac
	printf '%s: %s%s' "$step" "$count" "$(elapsed $((SECONDS - start)))"
}
