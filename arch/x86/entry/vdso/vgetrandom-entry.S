/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * __vdso_getrandom(): the fast path of __cvdso_getrandom() in lib/vdso/getrandom.c, and what
 * the kernel needs to abort a call.
 *
 * The fast path is assembly because it must keep the arguments of the call in their registers.
 * If the kernel interrupts it, the call continues in vgetrandom_slow(), which has the same
 * arguments and starts over. It is a leaf without a frame, and changes only registers that a
 * function may change. Lock, checks and stores are those of the C version, with the same
 * reasons; so its calls are safe on a kernel that does not abort them, too.
 */
#include <asm/page_types.h>
#include <asm/unistd.h>
#include <asm/vdso/getrandom-ranges.h>
#include <asm/vdso/getrandom-take.S>

#include "vgetrandom-asm.S"

#undef STATE

/* The arguments of the call. */
#define BUFFER		%rdi
#define LEN		%rsi
#define FLAGS		%edx
#define STATE		%rcx
#define STATE_LEN	%r8

/* The kernel clears these, and no others, when it interrupts the fast path. */
#define AVAILABLE	%rax	/* bytes left in the batch, then the address of the taken bytes */
#define GENERATION	%r9
#define HEAD		%r10
#define TAIL		%r11

/* The kernel's reason for an abort: a negative errno. */
#define REASON		%r8d

#define FIELD(name)	VGETRANDOM_##name(STATE)
#define RNG(offset)	vvar__vdso_rng_data+(offset)(%rip)

/* The numbers of the cores, .Lcore_NAME, and how many there are. */
.set	.Lcores, 0
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	\
	.set	.Lcore_##NAME, .Lcores; .set .Lcores, .Lcores + 1
#include <asm/vdso/getrandom-cores.h>

.text

/* The final check, vgetrandom_is_good(), and the return. The token is the stack pointer. */
.macro	finish
	cmp	GENERATION, RNG(0)
	jne	.Linvalid
	cmp	%rsp, FIELD(WITNESS)
	jne	.Linvalid
	mov	LEN, %rax
	movq	$0, FIELD(OWNER)
	RET
.endm

/*
 * ssize_t __vdso_getrandom(void *buffer, size_t len, unsigned int flags,
 *			    void *opaque_state, size_t opaque_len);
 *
 * The published generation is 0 until the kernel's RNG is ready, and on the page of a time
 * namespace. One test covers both.
 */
SYM_START(__vdso_getrandom, SYM_L_GLOBAL, .balign 64)
	.cfi_startproc
	cmp	$VGETRANDOM_STATE_SIZE, STATE_LEN
	jne	vgetrandom_rare
	mov	%ecx, %eax
	and	$(PAGE_SIZE - 1), %eax
	cmp	$(PAGE_SIZE - VGETRANDOM_STATE_SIZE), %eax
	ja	vgetrandom_rare
	cmp	$VGETRANDOM_FLAGS_END, FLAGS
	jae	vgetrandom_rare
	mov	RNG(0), GENERATION
	test	GENERATION, GENERATION
	jz	vgetrandom_rare
	test	LEN, LEN
	jz	vgetrandom_rare

.Lfast_start:
	cmpq	$0, FIELD(OWNER)
	jne	.Lsyscall
	mov	%rsp, FIELD(OWNER)
	mov	%rsp, FIELD(WITNESS)
	cmp	GENERATION, FIELD(GENERATION)
	jne	.Lslow
	mov	FIELD(AVAILABLE), AVAILABLE
	sub	LEN, AVAILABLE
	jb	.Lslow
	mov	AVAILABLE, FIELD(AVAILABLE)

	cmp	$4, LEN
	je	.Ltake_4
	cmp	$8, LEN
	je	.Ltake_8
	cmp	$16, LEN
	je	.Ltake_16
	lea	VGETRANDOM_BATCH(STATE, AVAILABLE), %rax
	ja	.Ltake_over_16
	cmp	$8, LEN
	ja	.Ltake_9_to_15
	cmp	$4, LEN
	ja	.Ltake_5_to_7
	cmp	$1, LEN
	ja	.Ltake_2_to_3
	VGETRANDOM_TAKE_WORD(movzbl, movb, %r10d, %r10b, %r10d, (%rax), (BUFFER))
	finish

.Ltake_4:
	VGETRANDOM_TAKE_WORD(movl, movl, %r10d, %r10d, %r10d,
			     VGETRANDOM_BATCH(STATE, AVAILABLE), (BUFFER))
	finish

.Ltake_8:
	VGETRANDOM_TAKE_WORD(movq, movq, %r10, %r10, %r10d,
			     VGETRANDOM_BATCH(STATE, AVAILABLE), (BUFFER))
	finish

.Ltake_16:
	VGETRANDOM_TAKE_16(VGETRANDOM_BATCH(STATE, AVAILABLE), (BUFFER))
	finish

.Ltake_2_to_3:
	VGETRANDOM_TAKE_ENDS(movzwl, movw, 2, %r10d, %r10w, %r10d, %r11d, %r11w, %r11d,
			     %rax, BUFFER, LEN)
	finish

.Ltake_5_to_7:
	VGETRANDOM_TAKE_ENDS(movl, movl, 4, %r10d, %r10d, %r10d, %r11d, %r11d, %r11d,
			     %rax, BUFFER, LEN)
	finish

.Ltake_9_to_15:
	VGETRANDOM_TAKE_ENDS(movq, movq, 8, %r10, %r10, %r10d, %r11, %r11, %r11d,
			     %rax, BUFFER, LEN)
	finish

.Ltake_over_16:
	cmp	$32, LEN
	ja	.Ltake_over_32
	VGETRANDOM_TAKE_32(%rax, BUFFER, LEN)
	finish

.Ltake_over_32:
	cmp	$64, LEN
	ja	.Ltake_over_64
	VGETRANDOM_TAKE_64(%rax, BUFFER, LEN)
	finish

.Ltake_over_64:
	/* An unknown core means the first one: see __arch_vgetrandom_has_avx(). */
	movzbl	RNG(VGETRANDOM_RNG_CORE), %r10d
	sub	$.Lcore_AVX2, %r10d
	cmp	$(.Lcores - .Lcore_AVX2), %r10d
	mov	BUFFER, %r10
	mov	LEN, %r11
	jae	.Ltake_long
	VGETRANDOM_TAKE_AVX(%rax, %r10, %r11)
	finish

.Ltake_long:
	VGETRANDOM_TAKE_LONG(%rax, %r10, %r11)
	finish

.Linvalid:
	movq	$0, FIELD(GENERATION)
	movq	$0, FIELD(AVAILABLE)
.Lslow:
	movq	$0, FIELD(OWNER)
.Lfast_end:
	xor	REASON, REASON
	jmp	vgetrandom_slow

.Lsyscall:
	mov	$__NR_getrandom, %eax
	syscall
	RET
	.cfi_endproc
SYM_FUNC_END(__vdso_getrandom)

.weak	getrandom
.type	getrandom, @function
.set	getrandom, __vdso_getrandom
.size	getrandom, . - __vdso_getrandom

/*
 * Old assemblers do not know these. Without a shadow stack, "rdsspq %rax" does nothing on any
 * processor, so rax stays 0.
 */
.macro	get_shadow_stack_pointer
	xor	%eax, %eax
	.byte	0xf3, 0x48, 0x0f, 0x1e, 0xc8	/* rdsspq %rax */
.endm
#define POP_SHADOW_STACK_BY_RCX	.byte 0xf3, 0x48, 0x0f, 0xae, 0xe9	/* incsspq %rcx */

/*
 * int vgetrandom_guard(struct vgetrandom_request *request);
 *
 * Calls vgetrandom_try(). That is compiled with -ffixed-rbx and -ffixed-rbp, and the cores do
 * not use these registers. So wherever the kernel interrupts them, rbx has the address of the
 * state and rbp that of this frame.
 */
SYM_START(vgetrandom_guard, SYM_L_GLOBAL, SYM_A_ALIGN)
	.cfi_startproc
	push	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	mov	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	push	%rbx
	.cfi_rel_offset %rbx, -8
	push	%r12
	.cfi_rel_offset %r12, -16
	push	%r13
	.cfi_rel_offset %r13, -24
	push	%r14
	.cfi_rel_offset %r14, -32
	push	%r15
	.cfi_rel_offset %r15, -40
	get_shadow_stack_pointer
	push	%rax				/* aligns the stack, too */
	mov	(%rdi), %rbx
	call	vgetrandom_try
	mov	%eax, REASON
	jmp	.Lguard_return

.Lguard_landing:
	/* The shadow stack still has the return addresses of the functions that were left. */
	get_shadow_stack_pointer
	test	%rax, %rax
	jz	.Lguard_return
	mov	-48(%rbp), %rcx
	sub	%rax, %rcx
	shr	$3, %ecx
	POP_SHADOW_STACK_BY_RCX

.Lguard_return:
	mov	REASON, %eax
	mov	-40(%rbp), %r15
	mov	-32(%rbp), %r14
	mov	-24(%rbp), %r13
	mov	-16(%rbp), %r12
	mov	-8(%rbp), %rbx
	leave
	.cfi_restore %rbx
	.cfi_restore %r12
	.cfi_restore %r13
	.cfi_restore %r14
	.cfi_restore %r15
	.cfi_restore %rbp
	.cfi_def_cfa %rsp, 8
	RET
	.cfi_endproc
SYM_FUNC_END(vgetrandom_guard)

.section .rodata.vgetrandom_ranges, "a", @progbits
.balign	4

/* In vdso-layout.lds.S: vgetrandom_try() and the cores. */
.hidden	vgetrandom_guarded_start, vgetrandom_guarded_end

.macro	range	start, end, landing, guarded
	.long	\start - vgetrandom_ranges, \end - vgetrandom_ranges
	.long	\landing - vgetrandom_ranges, \guarded
.endm

/* See struct vgetrandom_range. */
SYM_START(vgetrandom_ranges, SYM_L_GLOBAL, .balign 4)
	range	.Lfast_start, .Lfast_end, vgetrandom_slow, 0
	range	vgetrandom_guarded_start, vgetrandom_guarded_end, .Lguard_landing, 1
SYM_END(vgetrandom_ranges, SYM_T_OBJECT)
