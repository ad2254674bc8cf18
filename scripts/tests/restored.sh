# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154
#
# For tests that save a guest and restore it with another identity. Source it after tap.sh, and set
# dir, the directory for all files, and LIMIT, the time limit of each function in seconds.

# Identities of virtual machines: the last digit tells them apart.
ID=324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb0

# start NAME ID ARG...: starts a guest with that identity and a monitor in the background. ARG is for
# scripts/vm.
start()
{
	local name=$1 id=$2

	shift 2
	mkfifo "$dir/$name.in" "$dir/$name.out"
	"$ROOT/scripts/vm" --timeout "$LIMIT" --mem 256 --qemu -monitor --qemu "pipe:$dir/$name" \
		--qemu -device --qemu "vmgenid,guid=$id" "$@" \
		>"$dir/$name.stdout" 2>"$dir/$name.stderr" &
	guest=$!
	# check() has a subshell for each test, so this ends the guest with the test.
	trap '[[ -z $guest ]] || kill "$guest" 2>/dev/null' EXIT
	# Open both for reading and writing: otherwise each open would wait for QEMU.
	exec {monitor}<>"$dir/$name.in" {answers}<>"$dir/$name.out"
}

# end: waits for the guest, and returns its status.
end()
{
	local rc=0

	wait "$guest" || rc=$?
	guest=
	exec {monitor}>&- {answers}>&-
	return $rc
}

# await WHAT COMMAND...: waits until COMMAND succeeds; fails if the guest ends first.
await()
{
	local what=$1 begin=$SECONDS

	shift
	while ! "$@"; do
		kill -0 "$guest" 2>/dev/null || { say "the guest ended without $what"; return 1; }
		((SECONDS - begin < LIMIT)) || { say "no $what after $LIMIT s"; return 1; }
		sleep 0.05
	done
}

# is_paused: does the monitor report a paused guest? While loading, it says "paused (inmigrate)".
is_paused()
{
	local line

	echo "info status" >&"$monitor"
	while IFS= read -r -t 0.1 line <&"$answers"; do
		[[ $line != *"VM status: paused"[[:cntrl:]]* && $line != *"VM status: paused" ]] ||
			return 0
	done
	return 1
}

what_it_said()
{
	head -n 40 "$dir/$1.stdout" "$dir/$1.stderr"
	return 1
}

# search NAME IMAGE: finds ordinary pages of a guest in an image of its memory, and no droppable ones.
# The guest has said "ready" with the words of guest_word().
search()
{
	local droppable ordinary more found

	read -r _ droppable ordinary more < <(grep ^ready "$dir/$1.stdout")
	found=$("$ROOT/scripts/tests/count-pages" "$droppable" "$ordinary" "$2")
	say "# $1: ${more:+$more pages; }found of droppable and of ordinary memory: $found"
	[[ $found =~ ^0\ [1-9] ]]
}

# save NAME FILE: saves the guest, once it has said "ready".
save()
{
	await "'ready'" grep -qx ready "$dir/$1.stdout" || what_it_said "$1"
	printf '%s\n' stop "migrate_set_parameter max-bandwidth 100G" \
		"migrate \"exec:cat >$2\"" quit >&"$monitor"
	# scripts/vm complains of a guest that goes away.
	end || true
	[[ -s $2 ]] || what_it_said "$1"
}
