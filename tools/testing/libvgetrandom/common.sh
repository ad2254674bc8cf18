# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# shellcheck disable=SC2034 # for the scripts that source this
#
# Shared by the shell tests of the library: the choice of the libc, building test programs, and
# counting the getrandom system calls of a program. $work is a temporary directory.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../../scripts/lib.sh"
# shellcheck source=scripts/tests/tap.sh
. "$ROOT/scripts/tests/tap.sh"

HERE=$ROOT/tools/testing/libvgetrandom
soname=libvgetrandom.so.0
NOBODY=65534
SKIP=4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# use LIBC: from here on, use the library and the programs for this libc.
use()
{
	libc=$1
	case $libc in
	glibc) suffix='' cc=gcc ;;
	musl) suffix=-musl cc=musl-gcc ;;
	*) die "usage: $PROG glibc | musl" ;;
	esac
	lib=${VGETRANDOM_LIB:-$BUILD/lib$suffix}
	tests=$BUILD/libtests$suffix
	so=$lib/$soname
}

# need_library: fails without the library; skips without the compiler for its libc.
need_library()
{
	if ! command -v "$cc" >/dev/null; then
		say "there is no $cc here (Debian: musl-tools)"
		exit $SKIP
	fi
	[[ -f $so ]] || die "there is no $(rel "$so"): run 'make lib'"
}

# programs NAME...: builds them. Another test may build at the same time.
programs()
{
	mkdir -p "$tests"
	flock "$tests" make -s -j"$JOBS" -C "$HERE" CC="$cc" LIB="$lib" OUT="$tests" "$@" ||
		die "the programs of this test do not build"
}

# same WANTED GOT
same()
{
	diff <(echo "$1") <(echo "$2") || die "the output differs (< wanted, > found)"
}

# tap_passes COMMAND...: a program that prints TAP passes. Shows what failed.
tap_passes()
{
	local rc=0

	"$@" >"$work/tap" 2>&1 || rc=$?
	grep '^1\.\.[1-9]' "$work/tap" >/dev/null || rc=1
	! grep '^not ok' "$work/tap" >/dev/null || rc=1
	((rc != 0 && rc != SKIP)) || return 0
	grep -v '^ok' "$work/tap"
	return 1
}

# counted COMMAND...: writes the getrandom system calls of COMMAND to $work/calls. Tracer and
# COMMAND share one processor: they switch at each system call, and a switch to another
# processor is slow in an emulated machine.
counted()
{
	taskset 1 "$tests/dropin_count" "$work/calls" "$@"
}

# Callers that draw keys: the vDSO; with the module the library, or the program that it is
# statically linked with.
keys_from='^[[]vdso[]]$'
KEYS_OF_MODULE='^(libvgetrandom|dropin_static)'

# calls WHERE: prints the number of calls that drew keys ("vdso"), or of all others ("elsewhere").
# The latter exclude glibc's malloc(), which draws one number per process and calls no symbol for
# it, and Rust's test whether getrandom(2) exists.
calls()
{
	awk -v where="$1" -v keys="$keys_from" '
		$2 ~ keys && $3 == 32 { vdso += $1; next }
		$3 == 8 && $4 == "0x1" && $1 <= 20 { next }
		$3 == 0 && $4 == "0x1" && $1 == 1 { next }
		{ elsewhere += $1 }
		END { print (where == "vdso" ? vdso : elsewhere) + 0 }' "$work/calls"
}

# stays_out KEYS COMMAND...: COMMAND's requests enter the kernel only to draw keys, at most KEYS
# of them: one for each thread and process, and another after a reseed.
stays_out()
{
	local most=$1 keys

	shift
	counted "$@"
	if (($(calls elsewhere))); then
		cat "$work/calls"
		die "unexpected calls (number, caller, bytes, flags)"
	fi
	keys=$(calls vdso)
	((keys >= 1 && keys <= most)) || die "$keys keys were drawn, not 1 to $most"
}

# enters N COMMAND...: COMMAND makes at least N requests that are system calls. Used without the
# library, as the control of stays_out.
enters()
{
	local least=$1

	shift
	counted "$@"
	(($(calls elsewhere) >= least)) ||
		die "only $(calls elsewhere) system calls without the library, not $least"
}
