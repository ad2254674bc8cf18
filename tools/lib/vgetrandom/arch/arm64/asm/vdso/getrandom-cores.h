/* SPDX-License-Identifier: MIT */
/*
 * The table of ChaCha20 cores for arm64: there is none, so the library expands no keys.
 * arch/x86/include/asm/vdso/getrandom-cores.h documents the lines of such a table.
 */
#undef VGETRANDOM_CORE
