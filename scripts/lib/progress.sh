# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# run_step: a long command with its output in a log and its progress on stderr. Needs common.sh.

progress_first_s=2     # a step that ends before says nothing
progress_interval_s=15 # between lines when stderr is not a terminal

elapsed() { printf '%dm%02ds' $(($1 / 60)) $(($1 % 60)); }

# run_step STEP LOG PATTERN TOTAL CMD...: runs CMD, output appended to LOG. Progress is the number of lines in LOG that
# match PATTERN (an extended regular expression, '' for no count) of about TOTAL. Where PATTERN is `ninja`, progress is
# ninja's own count. Returns CMD's status. A signal to this shell ends CMD and everything that CMD started.
run_step() {
	local step=$1 log=$2 pattern=$3 total=$4 start=$SECONDS pid teller status=0 traps
	shift 4
	traps=$(trap -p INT TERM HUP) # the caller's, for afterwards
	# CMD has a session of its own, so that one kill reaches all of make's children. pdeathsig ends CMD when this
	# shell is killed and cannot end CMD itself.
	setsid setpriv --pdeathsig TERM -- "$@" >>"$log" 2>&1 </dev/null &
	pid=$!
	tell_progress $pid &
	teller=$!
	# shellcheck disable=SC2064  # the processes of now
	trap "kill -TERM -- -$pid 2>/dev/null; kill $teller 2>/dev/null; wait $pid 2>/dev/null; exit 130" INT TERM HUP
	wait $pid || status=$?
	trap - INT TERM HUP
	eval "$traps"
	kill $teller 2>/dev/null
	wait $teller 2>/dev/null
	[ ! -t 2 ] || printf '\r\033[K' >&2
	[ $status -ne 0 ] || [ $((SECONDS - start)) -lt $progress_first_s ] || say "$(progress_text), done"
	return $status
}

# tell_progress PID: prints a line of progress now and then while the process PID lives. Runs in the background, so that
# the step ends as soon as the process ends.
tell_progress() {
	local next=$progress_first_s never
	exec {never}<> <(:) # nothing is ever read from this pipe; `sleep` would be a process that outlives this one
	while kill -0 "$1" 2>/dev/null; do
		read -rt 1 -u "$never"
		if [ $((SECONDS - start)) -lt $next ]; then
			continue
		elif [ -t 2 ]; then
			printf '\r\033[K%s: %s' "${me:?}" "$(progress_text)" >&2
		else
			say "$(progress_text)"
			next=$((SECONDS - start + progress_interval_s))
		fi
	done
}

# progress_text: prints the line of progress of the current step. Uses the variables of its caller, run_step.
progress_text() {
	local count=''
	case $pattern in
	'') ;;
	ninja) count=$(sed -nE 's/^\[([0-9]+)\/([0-9]+)\].*/\1 of \2, /p' "$log" | tail -n 1) ;;
	*) count="$(grep -cE "$pattern" "$log") of about $total, " ;;
	esac
	printf '%s: %s%s' "$step" "$count" "$(elapsed $((SECONDS - start)))"
}
