# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Shared by the scripts here: where things are, messages, long steps, and which
# files of the repository belong to the kernel. Source it; it runs nothing.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034 # for the scripts that source this
BUILD=${VGETRANDOM_BUILD:-$ROOT/build}
# shellcheck disable=SC2034
JOBS=${JOBS:-$(nproc)}

# Folders of the repository that are folders of the kernel...
KERNEL_TOPS=(arch drivers fs include kernel lib mm tools Documentation)
# ...except these, which are about the project and stay out of the kernel.
PROJECT_DIRS=(tools/testing/vdso_host tools/testing/guest
	tools/lib/vgetrandom tools/testing/libvgetrandom tools/testing/mutations)

PROG=${0##*/}

# `make LINUX=x test` would hand its LINUX to every make that a script calls.
unset MAKEFLAGS MAKEOVERRIDES MFLAGS MAKELEVEL

say()
{
	printf '%s\n' "$*"
}

warn()
{
	printf '%s: %s\n' "$PROG" "$*" >&2
}

die()
{
	warn "$*"
	exit 1
}

# show_help: the script's own head comment, which is its manual.
show_help()
{
	awk 'NR < 4 { next } !/^#/ { exit } { sub(/^# ?/, ""); print }' "$0"
}

# rel PATH: PATH for messages, without the repository's own location.
rel()
{
	printf '%s' "${1#"$ROOT"/}"
}

# log_tail FILE [LINES]: the end of a log, indented, on stderr.
log_tail()
{
	local lines=${2:-30}

	if [[ -s $1 ]]; then
		printf '%s: the last lines of %s:\n' "$PROG" "$(rel "$1")" >&2
		tail -n "$lines" "$1" | sed 's/^/    | /' >&2
	else
		printf '%s: %s is empty\n' "$PROG" "$(rel "$1")" >&2
	fi
}

# step_far LOG: how far a step is, for its progress line.
step_far()
{
	local lines

	lines=$(wc -l <"$1")
	if [[ -n ${STEP_LINES:-} ]]; then
		((lines < STEP_LINES)) || lines=$((STEP_LINES - 1))
		printf ', about %d %% of a whole run' $((lines * 100 / STEP_LINES))
	else
		printf ', %d lines of log' "$lines"
	fi
}

# step TITLE LOG COMMAND...: run a long command with its output in LOG. Says what
# is running, keeps saying how long so far and how far it is (the log's last
# line on a terminal, a sign of life every 30 s elsewhere), and how long it
# took. On failure the end of LOG, and the command's exit status. STEP_LINES is
# about how many lines a whole run writes, if that is known.
step()
{
	local title=$1 log=$2 pid begin=$SECONDS told=$SECONDS rc=0 far

	shift 2
	mkdir -p "$(dirname "$log")"
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	# A command in the background does not hear of Ctrl-C by itself.
	trap 'kill "$pid" 2>/dev/null; exit 130' INT TERM
	[[ -t 1 ]] || printf '  %s ... (log: %s)\n' "$title" "$(rel "$log")"
	while kill -0 "$pid" 2>/dev/null; do
		if [[ -t 1 ]]; then
			far=$(tail -n 1 "$log" | tr -dc '[:print:]' | cut -c1-48)
			printf '\r\033[K  %s ... %d s%s  %s' "$title" \
				$((SECONDS - begin)) "$(step_far "$log")" "$far"
		elif ((SECONDS - told >= 30)); then
			told=$SECONDS
			printf '  %s ... %d s so far%s\n' "$title" \
				$((SECONDS - begin)) "$(step_far "$log")"
		fi
		# Poll fast at first, so that short steps stay short.
		if ((SECONDS - begin < 2)); then sleep 0.05; else sleep 0.5; fi
	done
	wait "$pid" || rc=$?
	trap - INT TERM
	[[ -t 1 ]] && printf '\r\033[K'
	if ((rc)); then
		printf '  %s: failed with status %d after %d s\n' "$title" "$rc" \
			$((SECONDS - begin))
		log_tail "$log"
		return "$rc"
	fi
	printf '  %s: done (%d s)\n' "$title" $((SECONDS - begin))
}

# our_files: every file of the repository that goes into a kernel tree, sorted,
# FILE.patch for an edit of FILE. Not from git: a tarball of the project works.
our_files()
{
	local top dir tops=() skip=()

	for top in "${KERNEL_TOPS[@]}"; do
		[[ -d $ROOT/$top ]] && tops+=("$top")
	done
	((${#tops[@]})) || die "none of ${KERNEL_TOPS[*]} is in $ROOT"
	for dir in "${PROJECT_DIRS[@]}"; do
		skip+=(-path "$dir" -prune -o)
	done
	(cd "$ROOT" && find "${tops[@]}" "${skip[@]}" -type f \
		! -name '*~' ! -name '.*.sw?' ! -name '*.orig' ! -name '*.rej' \
		! -name '*.o' -print) | LC_ALL=C sort
}

# touched_files: the kernel paths that our_files stand for.
touched_files()
{
	our_files | sed 's/\.patch$//'
}

# kernel_version TREE: "6.1.192" from the tree's Makefile; empty if it has none.
kernel_version()
{
	[[ -f $1/Makefile ]] || return 0
	awk -F' *= *' '
		/^VERSION =/ { v = $2 } /^PATCHLEVEL =/ { p = $2 }
		/^SUBLEVEL =/ { s = $2; print v "." p "." s; exit }' "$1/Makefile"
}

# linux_source: the plain kernel to start from.
linux_source()
{
	printf '%s' "${LINUX:-/usr/src/linux-source-6.1.tar.xz}"
}
