/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Included by the ChaCha20 cores, vgetrandom-chacha-*.S: their contract and common macros.
 *
 * A core is one function. It is assembly because it must keep the key and the keystream
 * off the stack:
 *
 * void vgetrandom_chacha20_CORE(struct vgetrandom_state *state, u8 *dst,
 *				 size_t nblocks, unsigned long call);
 *
 * It makes ChaCha20 blocks (RFC 8439 section 2.3) with the key in @state. The number of
 * blocks in one iteration is in <asm/vdso/getrandom-cores.h>. A vector register holds the
 * same word of several blocks, one per lane; these blocks are a group. The SSE2 core and
 * the AVX-512 core with ymm registers make two groups in an iteration, the others one.
 *
 * The first @nblocks blocks go to @dst, at any alignment. The other blocks of the last
 * iteration go to the start of the keystream in @state, so their first 32 bytes are the
 * next key. There is at least one such block: if @nblocks fills the last iteration, the
 * core makes another one.
 *
 * The counter starts at 0 and the nonce is 0, so each key makes only one keystream. A
 * keystream has at most 2^32 blocks; the longest request needs 2^25.
 *
 * Before a core writes the results of a group, it stores @call in the state's @owner: see
 * struct vgetrandom_state. A core with too few registers also uses the state's @scratch,
 * which is zeros again on return, and reads the key again for each group or iteration. SSE2
 * reads it from a copy in @scratch, because the first group may overwrite the key; the
 * others read it from the state, before they write any result of the iteration. If the
 * state is dropped meanwhile, the results are garbage. The generator detects the drop at
 * the end of the call, and discards them.
 *
 * On return no register holds the key or anything made from it. A core does not change rbx
 * and rbp: the kernel needs them to abort the call.
 */
#include <linux/linkage.h>
#include <vdso/getrandom.h>

#ifndef RET
#define RET ret			/* user space has no return thunks */
#endif

#define STATE		%rdi
#define DST		%rsi
#define NBLOCKS		%rdx
#define CALL		%rcx
#define ROUNDS		%eax
#define COUNTER		%r8d	/* number of the first block of the iteration, or group */
#define BASE		%r9
#define KEPT		%r10

/* Symbols, because an argument of a macro must not contain a space. */
.set	.Lkeystream, VGETRANDOM_KEYSTREAM
.set	.Lscratch, VGETRANDOM_SCRATCH

#define OWNER		VGETRANDOM_OWNER(STATE)
#define KEY(word)	.Lkeystream+4*(word)(STATE)
#define SCRATCH(at)	.Lscratch+(at)(STATE)

/*
 * In the section of the code that the kernel aborts, see vgetrandom_guard(). Not
 * SYM_FUNC_START: that may begin with an instruction, before .cfi_startproc.
 */
#define CORE_START(name)			\
	.section .text.vgetrandom, "ax", @progbits;	\
	SYM_START(name, SYM_L_GLOBAL, SYM_A_ALIGN)	\
	.cfi_startproc
#define CORE_END(name)				\
	RET;					\
	.cfi_endproc;				\
	SYM_FUNC_END(name)

/*
 * A double round (RFC 8439 section 2.3) for a core with 16 registers: two quarter rounds at
 * a time, with two words of row c in registers. The core defines A0 to D3 as its registers,
 * and the macros quarter_rounds and exchange.
 */
#define DOUBLE_ROUND_BY_HALVES						\
	quarter_rounds	A0, A1, B0, B1, C0, C1, D0, D1, C2, C3;		\
	exchange	C0, C1, C2, C3;					\
	quarter_rounds	A2, A3, B2, B3, C2, C3, D2, D3, C0, C1;		\
	quarter_rounds	A0, A1, B1, B2, C2, C3, D3, D0, C0, C1;		\
	exchange	C2, C3, C0, C1;					\
	quarter_rounds	A2, A3, B3, B0, C0, C1, D1, D2, C2, C3

/* vgetrandom_relock() of lib/vdso/getrandom.c: before a group's results are written. */
.macro	vgetrandom_relock
	mov	CALL, OWNER
.endm

/*
 * Before the first results of an iteration, or group: lock the state and set KEPT. That is
 * the address of block 0, if block NBLOCKS is at the start of the keystream.
 */
.macro	begin_output
	vgetrandom_relock
	mov	NBLOCKS, BASE
	shl	$6, BASE
	lea	VGETRANDOM_KEYSTREAM(STATE), KEPT
	sub	BASE, KEPT
.endm

/* Set BASE: block \i belongs at BASE + 64 * \i, in DST or in the keystream. */
.macro	choose_base	i
	mov	DST, BASE
	cmp	$\i, NBLOCKS
	cmovle	KEPT, BASE
.endm

/* After \width blocks: go to \again if none of them went to the state. */
.macro	end_output	width, again
	add	$(\width * VGETRANDOM_BLOCK_SIZE), DST
	add	$\width, COUNTER
	sub	$\width, NBLOCKS
	jns	\again
.endm
