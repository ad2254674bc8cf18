/* SPDX-License-Identifier: MIT */
/*
 * No ChaCha20 core has been written for arm64: the library expands nothing there. What a
 * line would be is in arch/x86/include/asm/vdso/getrandom-cores.h.
 */
#undef VGETRANDOM_CORE
