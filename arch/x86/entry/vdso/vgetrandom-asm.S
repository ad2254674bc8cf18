/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * What the ChaCha20 cores, vgetrandom-chacha-*.S, have in common and include.
 *
 * A core is one function, in assembly because nothing of what it computes may touch
 * the stack:
 *
 * void vgetrandom_chacha20_CORE(struct vgetrandom_state *state, u8 *dst,
 *				 size_t nblocks, unsigned long call);
 *
 * It makes ChaCha20 blocks (RFC 8439 section 2.3) with the key in @state, in
 * iterations of as many blocks as <asm/vdso/getrandom-cores.h> says. A vector register
 * has the same word of as many blocks as it has room for. Those are one group; the SSE2
 * core and the AVX-512 core with ymm registers make two an iteration. The first @nblocks
 * blocks go to @dst, at any alignment. Those that the last iteration makes besides go to
 * the start of the run in @state, where the first 32 bytes of them are the next key. There
 * is at least one: with none left over, there is another iteration.
 *
 * The counter starts at 0 and the nonce is 0: every key makes one stream only. A
 * stream is at most 2^32 blocks long; the longest request has 2^25.
 *
 * Before each group's results a core writes @call to the state's @owner: see struct
 * vgetrandom_state for what that is good for. If it has too few registers it also writes to
 * the state's @scratch, which is zeros again when it returns, and reads the key anew for
 * each group: SSE2 from a copy in @scratch, because the first group may overwrite the key,
 * the others from the state, before any result of the iteration. When the state is dropped
 * meanwhile that makes garbage, which the generator throws away like all else that
 * comes from such a call.
 *
 * On return no register holds anything that was made from the key.
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
#define COUNTER		%r8d	/* number of the iteration's first block */
#define BASE		%r9
#define KEPT		%r10

/* Names for them, because a macro's argument may not have a space in it. */
.set	.Lrun, VGETRANDOM_KEYSTREAM
.set	.Lscratch, VGETRANDOM_SCRATCH

#define OWNER		VGETRANDOM_OWNER(STATE)
#define KEY(word)	.Lrun+4*(word)(STATE)
#define SCRATCH(at)	.Lscratch+(at)(STATE)

/* First of all in a function: SYM_FUNC_START may begin with an instruction. */
#define CORE_START(name)			\
	SYM_START(name, SYM_L_GLOBAL, SYM_A_ALIGN)	\
	.cfi_startproc
#define CORE_END(name)				\
	RET;					\
	.cfi_endproc;				\
	SYM_FUNC_END(name)

/*
 * A double round (RFC 8439 section 2.3) for a core with 16 registers: two quarter rounds at
 * a time, with two words of row c in registers. The core names its registers, and has the
 * macros quarter_rounds and exchange.
 */
#define DOUBLE_ROUND_BY_HALVES						\
	quarter_rounds	A0, A1, B0, B1, C0, C1, D0, D1, C2, C3;		\
	exchange	C0, C1, C2, C3;					\
	quarter_rounds	A2, A3, B2, B3, C2, C3, D2, D3, C0, C1;		\
	quarter_rounds	A0, A1, B1, B2, C2, C3, D3, D0, C0, C1;		\
	exchange	C2, C3, C0, C1;					\
	quarter_rounds	A2, A3, B3, B0, C0, C1, D1, D2, C2, C3

/* As vgetrandom_relock() in lib/vdso/getrandom.c: before results are written. */
.macro	vgetrandom_relock
	mov	CALL, OWNER
.endm

/*
 * Before results are written: lock, and find KEPT, where block 0 of the iteration would
 * be if blocks from NBLOCKS on are to start the run.
 */
.macro	begin_output
	vgetrandom_relock
	mov	NBLOCKS, BASE
	shl	$6, BASE
	lea	VGETRANDOM_KEYSTREAM(STATE), KEPT
	sub	BASE, KEPT
.endm

/* Block \i of the iteration goes to 64 * \i bytes behind BASE. */
.macro	choose_base	i
	mov	DST, BASE
	cmp	$\i, NBLOCKS
	cmovle	KEPT, BASE
.endm

/* After \width blocks: to \again if there was nothing for the state yet. */
.macro	end_output	width, again
	add	$(\width * VGETRANDOM_BLOCK_SIZE), DST
	add	$\width, COUNTER
	sub	$\width, NBLOCKS
	jns	\again
.endm
