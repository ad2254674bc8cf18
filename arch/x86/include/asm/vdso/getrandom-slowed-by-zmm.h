/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Models of Intel's processor family 6 that lower their clock while zmm registers are
 * used: for all code on that processor core, and for a while afterwards. The kernel and the
 * library define VGETRANDOM_SLOWED_BY_ZMM() and include this file.
 *
 * arch/x86/crypto/poly1305_glue.c also avoids zmm registers on the first model. Later
 * generations suffer less, but a request for four random bytes must not slow down other
 * code.
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
