/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Intel processors of family 6, by their models, whose clock goes down when zmm registers
 * are used: for all that runs on the core, and for a while after. The kernel and the
 * library take the list from here: each defines VGETRANDOM_SLOWED_BY_ZMM() and includes
 * this.
 *
 * The first is the one for which arch/x86/crypto/poly1305_glue.c avoids zmm registers,
 * too. The next generations suffer less, but a program did not ask for it when it asked
 * for four random bytes.
 */

VGETRANDOM_SLOWED_BY_ZMM(0x55)	/* Skylake-X, Cascade Lake, Cooper Lake */
VGETRANDOM_SLOWED_BY_ZMM(0x6a)	/* Ice Lake, servers */
VGETRANDOM_SLOWED_BY_ZMM(0x6c)
VGETRANDOM_SLOWED_BY_ZMM(0x7d)	/* Ice Lake */
VGETRANDOM_SLOWED_BY_ZMM(0x7e)
VGETRANDOM_SLOWED_BY_ZMM(0x9d)
VGETRANDOM_SLOWED_BY_ZMM(0x8c)	/* Tiger Lake */
VGETRANDOM_SLOWED_BY_ZMM(0x8d)

#undef VGETRANDOM_SLOWED_BY_ZMM
