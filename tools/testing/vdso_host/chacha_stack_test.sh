#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In the image of the vDSO, as it ships, the ChaCha20 core has no instruction that
# uses the stack, except its return.
#
# usage: chacha_stack_test.sh [IMAGE]	(default: VDSO_IMAGE, or the build's)

set -euo pipefail

image=${1:-${VDSO_IMAGE:-build/kernel/arch/x86/entry/vdso/vdso64.so.dbg}}
core=vgetrandom_chacha20_blocks

echo "TAP version 13"
echo "1..1"
[[ -r $image ]] || { echo "Bail out! $image cannot be read"; exit 1; }
code=$(objdump -d --no-show-raw-insn --disassemble=$core "$image" |
	sed -n "/<$core>:/,\$s/^ *[0-9a-f]*:\t//p")
if (($(wc -l <<<"$code") < 100)); then
	echo "Bail out! $image: no $core to be found, or hardly any of it"
	exit 1
fi
if bad=$(grep -E '^(push|pop|call|enter|leave|int|syscall)|%[er]?[sb]pl?\b' <<<"$code"); then
	echo "# ${bad//$'\n'/$'\n'# }"
	echo "not ok 1 $core does not use the stack"
	exit 1
fi
echo "ok 1 $core does not use the stack"
