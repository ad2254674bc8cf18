#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: unwind_test.sh [IMAGE]	(default: VDSO_IMAGE, or the build's)
#
# Tests the unwind information of the vDSO's getrandom functions, at every instruction. Starts
# unwind_walk with the image as its vDSO: see unwind_walk.c. If the image is libvgetrandom,
# unwind_walk loads it, with a page in place of the module's, and calls vgetrandom(). OUT in
# the environment is the directory of the programs.

set -euo pipefail

image=${1:-${VDSO_IMAGE:-build/kernel/arch/x86/entry/vdso/vdso64.so.dbg}}
out=${OUT:-build/tests}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The list for unwind_walk: functions with their instructions, and addresses of data.
list()
{
	local value size type name

	nm "$1" | sed -nE \
		's/^([0-9a-f]+) . ((vvar|timens)__vdso_(rng_)?data|vgetrandom_ranges)$/data \1 \2/p'
	readelf -WS "$1" | sed 's/^ *\[ *[0-9]*\]//' |
		awk '$1 == ".eh_frame" { print $3, $5 }' | while read -r value size; do
			printf 'data %s eh_frame\n' "$value"
			printf 'data %x eh_frame_end\n' $((16#$value + 16#$size))
		done
	nm -S "$1" | while read -r value size type name; do
		# "getrandom" is another name of __vdso_getrandom.
		if [[ $image == *libvgetrandom* ]]; then
			[[ $name != @(thread_states|config|thread) ]] || printf 'data %s %s\n' "$value" "$name"
			[[ $name =~ $functions ]] || continue
		else
			[[ $name == *getrandom* ]] || continue
		fi
		[[ $type == [tT] ]] || continue
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
				# Only a jump can reach the instruction after these.
				after = code ~ /^(jmp|ret)/ || kind == "padding"
				print kind, address
			}'
	done
}

# walk LIST IMAGE [none]: run unwind_walk with the image as its vDSO, or with the library.
walk()
{
	if [[ $image == *libvgetrandom* ]]; then
		"$out/with_vdso" --no-droppable --page "$out/unwind_walk" "$1" \
			"library${3:+-$3}" "$2"
	else
		"$out/with_vdso" --image "$2" "$out/unwind_walk" "$1" ${3:+"$3"}
	fi
}

[[ -r $image ]] || { echo "Bail out! $image: cannot read it; run scripts/build vdso"; exit 1; }
status=0
# The generator, and the library's functions between it and a caller.
functions='^(syscall|vgetrandom(_(for_syscall|fail|slow|chacha20_.*))?|slow_path(\.cold)?|generator_getrandom|pool_may_hold_keys)$'
echo "TAP version 13"
list "$image" >"$dir/list"
walk "$dir/list" "$image" >"$dir/tap" || status=1
cat "$dir/tap"
n=$(grep -cE '^(not )?ok ' "$dir/tap" || true)
((n >= 6)) || { echo "Bail out! unwind_walk ended early, after $n tests"; exit 1; }

# Control: the image without its unwind information.
n=$((n + 1))
objcopy --remove-section .eh_frame --remove-section .eh_frame_hdr "$image" "$dir/none"
walk "$dir/list" "$dir/none" none >"$dir/tap" || status=1
sed "s/^\(not \)\?ok [0-9]* .*/\1ok $n an image without unwind information fails/" "$dir/tap"
grep -qE '^(not )?ok ' "$dir/tap" || echo "not ok $n an image without unwind information fails"
echo "1..$n"
exit "$status"
