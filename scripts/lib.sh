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

# The variables of the architecture.
ARCH_FILE=$ROOT/scripts/arch/${VGETRANDOM_ARCH:-x86}
# shellcheck source=scripts/arch/x86
. "$ARCH_FILE"

# Directories of the repository that are directories of the kernel...
KERNEL_TOPS=(arch drivers fs include kernel lib mm tools Documentation)
# ...except these, which are about the project and stay out of the kernel.
PROJECT_DIRS=(tools/testing/vdso_host tools/testing/guest
	tools/lib/vgetrandom tools/testing/libvgetrandom tools/testing/mutations)

PROG=${0##*/}

# `make LINUX=x test` would pass its LINUX to every make that a script calls.
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

# show_help: prints the script's head comment, which is its manual.
show_help()
{
	awk 'NR < 4 { next } !/^#/ { exit } { sub(/^# ?/, ""); print }' "$0"
}

# core_names: prints the names of the ChaCha20 cores; see scripts/cores.
core_names()
{
	"$ROOT/scripts/cores" | cut -f 1
}

# rel PATH: prints PATH relative to the repository, for messages.
rel()
{
	printf '%s' "${1#"$ROOT"/}"
}

# log_tail FILE [LINES]: prints the end of a log to stderr, indented.
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

# disk_full LOG: did a step probably fail because the disk is full?
disk_full()
{
	local free

	free=$(df --output=avail -k "$BUILD" 2>/dev/null | tail -n 1)
	((${free:-9999} < 1024)) || grep -qsF 'No space left on device' "$1"
}

# step TITLE LOG COMMAND...: runs a long command with its output in LOG. Prints the title and the
# time so far (on a terminal with the log's last line, elsewhere every 30 s), and at the end
# the total. On failure it prints the end of LOG and returns the command's exit status.
step()
{
	local title=$1 log=$2 pid begin=$SECONDS told=$SECONDS rc=0 last

	shift 2
	mkdir -p "$(dirname "$log")"
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	# A command in the background ignores Ctrl-C.
	trap 'kill "$pid" 2>/dev/null; exit 130' INT TERM
	[[ -t 1 ]] || printf '  %s ... (log: %s)\n' "$title" "$(rel "$log")"
	while kill -0 "$pid" 2>/dev/null; do
		if [[ -t 1 ]]; then
			last=$(tail -n 1 "$log" | tr -dc '[:print:]' | cut -c1-48)
			printf '\r\033[K  %s ... %d s  %s' "$title" $((SECONDS - begin)) "$last"
		elif ((SECONDS - told >= 30)); then
			told=$SECONDS
			printf '  %s ... %d s so far, %d lines of log\n' "$title" \
				$((SECONDS - begin)) "$(wc -l <"$log")"
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
		! disk_full "$log" || warn "the disk is full: $(rel "$BUILD") needs 5 GiB for all that" \
			"'make test' builds; make room, or name another directory: VGETRANDOM_BUILD=DIRECTORY"
		return "$rc"
	fi
	printf '  %s: done (%d s)\n' "$title" $((SECONDS - begin))
}

# project_files: the files that git has or would add; in a tarball, all but build/.
project_files()
{
	if [[ -e $ROOT/.git ]]; then
		git -C "$ROOT" ls-files --cached --others --exclude-standard
	else
		(cd "$ROOT" && find . -path ./build -prune -o -type f -printf '%P\n')
	fi
}

# repo_files: prints the files of the repository that go into a kernel tree, sorted, under their
# names for Linux 6.1; FILE.patch is an edit of FILE. It does not need git, so a tarball of the
# project works.
repo_files()
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

# differences_dir VERSION: prints the directory of the differences from Linux 6.1: "linux-6.12" for
# 6.12.y, nothing for 6.1.y. Fails for an unsupported version.
differences_dir()
{
	local series

	[[ $1 =~ ^[0-9]+\.[0-9]+ ]] || return 1
	series=${BASH_REMATCH[0]}
	[[ $series != 6.1 ]] || return 0
	[[ -f $ROOT/linux-$series/differences ]] || return 1
	printf 'linux-%s' "$series"
}

# our_sources VERSION: the files of the repository that go into a tree of this Linux, sorted by
# KERNEL; a line each of KERNEL, SOURCE and HOW, with tabs between them.
#
#   KERNEL	the path in the kernel; with .patch for an edit of a file of Linux
#   SOURCE	the file in the repository; mostly the same
#   HOW		"replace": the file takes the place of a file of Linux; or "-"
#
# The rules in linux-X.Y/differences are explained there.
our_sources()
{
	local dir rules=/dev/null

	dir=$(differences_dir "$1") || return 1
	[[ -z $dir ]] || rules=$ROOT/$dir/differences
	{
		repo_files
		[[ -z $dir ]] || (cd "$ROOT" && find "$dir" -mindepth 2 -type f \
			! -path "$dir/series.d/*" ! -name '*~' ! -name '.*.sw?' ! -name '*.orig' ! -name '*.rej')
	} | awk -v dir="$dir" -v rules="$rules" '
		BEGIN {
			while ((getline line <rules) > 0) {
				sub(/#.*/, "", line)
				n = split(line, word)
				if (n == 2 && word[1] == "omit") omit[word[2]] = 1
				else if (n == 3 && word[1] == "move") move[word[2]] = word[3]
				else if (n == 2 && word[1] == "replace") replace[word[2]] = 1
				else if (n == 3 && word[1] == "option") continue # for kernel-config
				else if (n) fail(line ": unknown rule")
			}
		}
		function fail(text) {
			print "differences: " text >"/dev/stderr"
			failed = 1
		}
		function kernel_path(file,   from) {
			for (from in move) {
				if (file == from || index(file, from "/") == 1) {
					moved[from] = 1
					return move[from] substr(file, length(from) + 1)
				}
			}
			return file
		}
		dir != "" && index($0, dir "/") == 1 { source[substr($0, length(dir) + 2)] = $0; next }
		$0 in omit { omitted[$0] = 1; next }
		{ source[kernel_path($0)] = $0 }
		END {
			for (file in omit) if (!omitted[file]) fail("omit " file ": no such file")
			for (file in move) if (!moved[file]) fail("move " file ": no such file")
			for (file in replace) if (!(file in source)) fail("replace " file ": no such file")
			for (file in source)
				printf "%s\t%s\t%s\n", file, source[file], file in replace ? "replace" : "-"
			exit failed
		}' | LC_ALL=C sort
	return "${PIPESTATUS[1]}"
}

# touched_files: prints the paths that this project adds or changes in build/linux, or in
# Linux 6.1 if build/linux does not exist.
touched_files()
{
	local version

	version=$(kernel_version "$BUILD/linux")
	our_sources "${version:-6.1}" | cut -f 1 | sed 's/\.patch$//'
}

# kernel_version TREE: "6.1.192" from the tree's Makefile; empty if it has none.
kernel_version()
{
	[[ -f $1/Makefile ]] || return 0
	awk -F' *= *' '
		/^VERSION =/ { v = $2 } /^PATCHLEVEL =/ { p = $2 }
		/^SUBLEVEL =/ { s = $2; print v "." p "." s; exit }' "$1/Makefile"
}

# begin_out TREE OUT: prepares OUT for a build of TREE. Empties it if it was built from another
# source, whose objects may be newer than the files of TREE.
begin_out()
{
	if [[ -f $2/.source ]] && ! cmp -s "$2/.source" "$1.orig/.source"; then
		say "  $(rel "$2") was built from another source; starting again"
		rm -rf "$2"
	fi
	mkdir -p "$2"
	cp "$1.orig/.source" "$2/.source"
}

# check_markers NAME FILE [SHOWN]: fails unless FILE, called SHOWN in messages, has the lines
# <!-- NAME:begin --> and <!-- NAME:end -->.
check_markers()
{
	local markers

	markers=$(grep -xE "<!-- $1:(begin|end) -->" "$2" | tr '\n' ' ' || true)
	[[ $markers == "<!-- $1:begin --> <!-- $1:end --> " ]] ||
		die "${3:-$(rel "$2")} needs the lines <!-- $1:begin --> and" \
			"<!-- $1:end -->, once each and in this order; it has: ${markers:-none}"
}

# put_between NAME TEXT: copies the standard input, with TEXT between these two lines.
put_between()
{
	awk -v text="$2" -v name="$1" '
		$0 == "<!-- " name ":end -->" { skip = 0 }
		!skip { print }
		$0 == "<!-- " name ":begin -->" { print text; skip = 1 }'
}

# mirror LABEL: prints the mirror from which this machine's apt gets "Debian" or
# "Debian-Security".
mirror()
{
	# shellcheck disable=SC2016 # the variables are apt's
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
		awk -F'|' -v label="$1" '$1 == "Debian" && $2 == label { print $3; exit }'
}

# private_apt DIR PROGRAM ARG...: apt-get or apt-cache with the sources in DIR/sources.list, and
# with lists and a cache below DIR, so that those of the machine stay as they are.
private_apt()
{
	mkdir -p "$1/lists/partial" "$1/archives/partial"
	"$2" -o Dir::Etc::sourcelist="$1/sources.list" -o Dir::Etc::sourceparts=- \
		-o Dir::State::lists="$1/lists" -o Dir::Cache="$1" \
		-o APT::Sandbox::User="$(id -un)" -o APT::Update::Error-Mode=any \
		-o Acquire::Languages=none "${@:3}"
}

# linux_source: the plain kernel to start from.
linux_source()
{
	printf '%s' "${LINUX:-/usr/src/linux-source-6.1.tar.xz}"
}
