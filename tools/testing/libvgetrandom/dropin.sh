# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# shellcheck disable=SC2154 # $tests and $work are those of the script that sources this
#
# Shared by dropin and programs: what a program asks the kernel for.
# Source after tap.sh, with $work a folder and $tests the one of the test programs.

# counted COMMAND...: leaves in $work/calls what getrandom system calls COMMAND makes.
# On one processor: at each of its system calls the two take turns, and in an emulated
# machine it is a long way from one processor to another.
counted()
{
	taskset 1 "$tests/dropin_count" "$work/calls" "$@"
}

# calls WHERE: how many there were from the vDSO, or from elsewhere. Not counted there
# are those of glibc's malloc(), which draws one number in each process and asks the
# kernel without passing by a symbol.
calls()
{
	awk -v where="$1" '
		$2 == "[vdso]" { vdso += $1; next }
		$3 == 8 && $4 == "0x1" && $1 <= 20 { next }
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
