#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: unwind_test.sh [IMAGE]	(default: VDSO_IMAGE, or the build's)
#
# At every instruction of every vDSO function of ours an unwinder walks from the vDSO to
# main(): see unwind_walk.c, which is started here with the image as its vDSO. OUT in the
# environment says where the programs are.

set -euo pipefail

image=${1:-${VDSO_IMAGE:-build/kernel/arch/x86/entry/vdso/vdso64.so.dbg}}
out=${OUT:-build/tests}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# What unwind_walk reads: our functions and their instructions, and where data is.
list()
{
	local value size type name

	nm "$1" | sed -nE 's/^([0-9a-f]+) . ((vvar|timens)__vdso_(rng_)?data)$/data \1 \2/p'
	readelf -WS "$1" | sed 's/^ *\[ *[0-9]*\]//' |
		awk '$1 == ".eh_frame" { print $3, $5 }' | while read -r value size; do
			printf 'data %s eh_frame\n' "$value"
			printf 'data %x eh_frame_end\n' $((16#$value + 16#$size))
		done
	nm -S "$1" | while read -r value size type name; do
		# "getrandom" is another name of __vdso_getrandom.
		[[ $type == [tT] && $name == *getrandom* ]] || continue
		printf 'function %s %s %s\n' "$value" "$name" "$size"
		objdump -d --no-show-raw-insn --start-address="0x$value" \
			--stop-address=$((16#$value + 16#$size)) "$1" |
			awk -F'\t' '/^ *[0-9a-f]+:\t/ {
				address = $1; gsub(/[ :]/, "", address)
				code = $2
				while (sub(/^(cs|ds|es|ss|data16|bnd|notrack|rep|repz) /, "", code))
					;
				kind = "ordinary"
				if (code ~ /^call/) kind = "call"
				else if (code ~ /^ret/) kind = "return"
				else if (code ~ /^(nop|int3|xchg +%ax,%ax)/ && after) kind = "padding"
				# What follows is reached by a jump, or not at all.
				after = code ~ /^(jmp|ret)/ || kind == "padding"
				print kind, address
			}'
	done
}

[[ -r $image ]] || { echo "Bail out! $image cannot be read"; exit 1; }
status=0
echo "TAP version 13"
list "$image" >"$dir/list"
"$out/with_vdso" --image "$image" "$out/unwind_walk" "$dir/list" >"$dir/tap" || status=1
cat "$dir/tap"
n=$(grep -cE '^(not )?ok ' "$dir/tap" || true)
((n >= 6)) || { echo "Bail out! it has ended early"; exit 1; }

# The control: the image without its unwind information.
n=$((n + 1))
objcopy --remove-section .eh_frame --remove-section .eh_frame_hdr "$image" "$dir/none"
"$out/with_vdso" --image "$dir/none" "$out/unwind_walk" "$dir/list" none >"$dir/tap" || status=1
sed "s/^\(not \)\?ok [0-9]* .*/\1ok $n an image without unwind information fails/" "$dir/tap"
grep -qE '^(not )?ok ' "$dir/tap" || echo "not ok $n an image without unwind information fails"
echo "1..$n"
exit "$status"
