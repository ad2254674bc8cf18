/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The table of cores of an architecture whose only core is generic/chacha.c. */

VGETRANDOM_CORE(PLAIN, plain, "C", 1, NONE, MACHINE_BASELINE)

#undef VGETRANDOM_CORE
