# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# shellcheck disable=SC2034 # for the scripts that source this
#
# Shared by the tests of the library that are scripts: which libc is meant, the programs
# of tests, and what a program asks the kernel for. $work is a directory of the script's.

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

# use LIBC: whose library and programs are meant from here on.
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

# need_library: it is there, and the compiler for its libc.
need_library()
{
	if ! command -v "$cc" >/dev/null; then
		say "there is no $cc here (Debian: musl-tools)"
		exit $SKIP
	fi
	[[ -f $so ]] || die "there is no $(rel "$so"): run 'make lib'"
}

# programs NAME...: build them. Another test may be doing so, too.
programs()
{
	mkdir -p "$tests"
	flock "$tests" make -s -j"$JOBS" -C "$HERE" CC="$cc" LIB="$lib" OUT="$tests" "$@" ||
		die "the programs of this test do not build"
}

# same WANTED GOT
same()
{
	diff <(echo "$1") <(echo "$2") || die "(< is what it should be, > what it is)"
}

# tap_passes COMMAND...: a program with TAP of its own passes; what is wrong is shown.
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

# counted COMMAND...: leaves in $work/calls what getrandom system calls COMMAND makes.
# On one processor: at each of its system calls the two take turns, and in an emulated
# machine it is a long way from one processor to another.
counted()
{
	taskset 1 "$tests/dropin_count" "$work/calls" "$@"
}

# Where keys are asked for: in the vDSO; with the module in the library, or in the program that
# it is linked with.
keys_from='^[[]vdso[]]$'
KEYS_OF_MODULE='^(libvgetrandom|dropin_static)'

# calls WHERE: how many there were for a key ("vdso"), or from elsewhere. Not counted there
# are those of glibc's malloc(), which draws one number in each process and asks the
# kernel without passing by a symbol; and Rust's question whether there is a getrandom(2).
calls()
{
	awk -v where="$1" -v keys="$keys_from" '
		$2 ~ keys && $3 == 32 { vdso += $1; next }
		$3 == 8 && $4 == "0x1" && $1 <= 20 { next }
		$3 == 0 && $4 == "0x1" && $1 == 1 { next }
		{ elsewhere += $1 }
		END { print (where == "vdso" ? vdso : elsewhere) + 0 }' "$work/calls"
}

# stays_out KEYS COMMAND...: COMMAND's requests enter the kernel for keys only, from the
# vDSO: one for each thread and process, and again when the kernel reseeds. Not more
# than KEYS.
stays_out()
{
	local most=$1 keys

	shift
	counted "$@"
	if (($(calls elsewhere))); then
		cat "$work/calls"
		die "these are the calls: how many, from where, for how many bytes, flags"
	fi
	keys=$(calls vdso)
	((keys >= 1 && keys <= most)) || die "the vDSO asked $keys times for a key"
}

# enters N COMMAND...: COMMAND makes at least N requests that are system calls. Where it
# is without the library: else that it stays out would mean nothing.
enters()
{
	local least=$1

	shift
	counted "$@"
	(($(calls elsewhere) >= least)) ||
		die "only $(calls elsewhere) calls: it shows nothing that they are gone"
}
