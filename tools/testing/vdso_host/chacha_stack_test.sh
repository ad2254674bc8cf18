#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Disassembles the vDSO image and tests that no ChaCha20 core uses the stack, except to return:
# a core must not leave secrets there.
#
# usage: chacha_stack_test.sh [IMAGE]	(default: VDSO_IMAGE, or the build's)

set -euo pipefail

image=${1:-${VDSO_IMAGE:-build/kernel/arch/x86/entry/vdso/vdso64.so.dbg}}
mapfile -t cores < <(scripts/cores | cut -f 1)

echo "TAP version 13"
echo "1..${#cores[@]}"
[[ -r $image ]] || { echo "Bail out! $image: cannot read it; run scripts/build vdso"; exit 1; }
n=0
status=0
for core in "${cores[@]}"; do
	n=$((n + 1))
	name=vgetrandom_chacha20_$core
	code=$(objdump -d --no-show-raw-insn --disassemble="$name" "$image" |
		sed -n "/<$name>:/,\$s/^ *[0-9a-f]*:\t//p")
	if (($(wc -l <<<"$code") < 100)); then
		echo "# $name: not found, or shorter than 100 instructions"
	elif grep -q '(bad)' <<<"$code"; then
		echo "# $name: objdump cannot disassemble it; use a newer one"
	elif bad=$(grep -E '^(push|pop|call|enter|leave|int|syscall)|%[er]?[sb]pl?\b' <<<"$code"); then
		echo "# ${bad//$'\n'/$'\n'# }"
	else
		echo "ok $n $core does not use the stack"
		continue
	fi
	echo "not ok $n $core does not use the stack"
	status=1
done
exit "$status"
