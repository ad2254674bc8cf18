# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# TAP output for the tests of the scripts. Includes lib.sh.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

tap_n=0
tap_bad=0

# check WHAT COMMAND...: runs one test, and prints COMMAND's output if it fails.
check()
{
	local what=$1 out rc=0

	shift
	tap_n=$((tap_n + 1))
	# "|| rc=$?" would switch errexit off in the subshell.
	set +e
	out=$(set -e; "$@" 2>&1)
	rc=$?
	set -e
	if ((rc == 0)); then
		printf 'ok %d %s\n' "$tap_n" "$what"
		return
	fi
	tap_bad=$((tap_bad + 1))
	printf 'not ok %d %s\n' "$tap_n" "$what"
	printf '# %s\n' "${out//$'\n'/$'\n# '}"
	printf '# status %d\n' "$rc"
}

# skip WHAT WHY: reports a test that cannot run here.
skip()
{
	tap_n=$((tap_n + 1))
	printf 'ok %d %s # SKIP %s\n' "$tap_n" "$1" "$2"
}

# tap_end: prints the plan. Fails if any test has failed.
tap_end()
{
	printf '1..%d\n' "$tap_n"
	((tap_bad == 0))
}
