// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * getrandom() in user space: a fast key erasure generator whose key the kernel
 * provides, and whose state the kernel may take away.
 *
 * The construction is the kernel's own (drivers/char/random.c), moved into the
 * calling process: a key makes one run of ChaCha20 key stream, of which the
 * first part goes to the caller, the next is kept to be handed out by later
 * calls, and the last replaces the key. What is handed out is erased. So whoever
 * reads the state learns nothing of what it has given before. See "Fast-key-
 * erasure random-number generators", D. J. Bernstein, 2017,
 * <https://blog.cr.yp.to/20170723-random.html>.
 *
 * Two things can happen to a state between any two instructions. Its page can
 * become zeros, because the kernel dropped it under memory pressure or because
 * this is now the child of a fork. And the kernel's RNG can be reseeded, so that
 * what the state holds is stale. Neither is prevented; both are noticed before
 * the call returns, and then the call starts over with a new key. This is why
 * everything that a call puts into @buffer is worth nothing until
 * __cvdso_getrandom() has looked at the state for the last time.
 *
 * Until then a call that has lost its state does not know, and goes on writing to
 * it. If a signal handler has made a new state there in the meantime, that one
 * must not be used as long as it is being written to. So a call locks the state
 * not only when it begins, but before each of the few places where it writes. What
 * remains is a page that is dropped within such a place, a few dozen instructions
 * long, and two handlers that both call before its last store. Nothing can be done
 * about it here: there is no memory to leave word in but the page itself.
 */

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/random.h>
#include <linux/string.h>
#include <asm/barrier.h>
#include <asm/vdso/getrandom.h>
#include <vdso/getrandom.h>

/* The first attempt, and one more after the state was lost in the middle. */
#define VGETRANDOM_ATTEMPTS 2

/*
 * A refill is one run of key stream over the batch and the key behind it, and
 * a page must be able to hold a state.
 */
static_assert(offsetof(struct vgetrandom_state, key) ==
	      offsetof(struct vgetrandom_state, batch) + VGETRANDOM_BATCH_SIZE);
static_assert(sizeof(struct vgetrandom_state) <= PAGE_SIZE);
/* The rest of any request that is not whole blocks comes from one refill. */
static_assert(VGETRANDOM_BATCH_SIZE >= VGETRANDOM_BLOCK_SIZE);

static __always_inline ssize_t vgetrandom_query(struct vgetrandom_opaque_params *params)
{
	size_t i;

	params->size_of_opaque_state = sizeof(struct vgetrandom_state);
	params->mmap_prot = PROT_READ | PROT_WRITE;
	params->mmap_flags = MAP_DROPPABLE | MAP_ANONYMOUS;
	for (i = 0; i < ARRAY_SIZE(params->reserved); i++)
		params->reserved[i] = 0;

	return 0;
}

static __always_inline bool vgetrandom_flags_known(unsigned int flags)
{
	if (flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
		return false;

	/* Known, but not to be had together; the system call knows the answer. */
	return (flags & (GRND_RANDOM | GRND_INSECURE)) != (GRND_RANDOM | GRND_INSECURE);
}

/* Not a generation: those count reseeds, and begin at 1. */
static __always_inline u64 vgetrandom_rekey_mark(unsigned long call)
{
	return call | BIT_ULL(63);
}

/*
 * Give the state a key that is not older than @generation. The caller has read
 * @generation first: pairs with the smp_store_release() in vdso_rng_publish(),
 * which lets nobody see a generation before the kernel's key of that generation
 * is in place.
 *
 * The page can be dropped after the key has come. To write @generation then would
 * make a good state out of a key of zeros, for any call that comes before the
 * loss is noticed. So it only ever replaces a mark that was there before the key.
 */
static __always_inline bool vgetrandom_rekey(struct vgetrandom_state *state,
					     unsigned long call, u64 generation)
{
	const u64 mark = vgetrandom_rekey_mark(call);

	WRITE_ONCE(state->generation, mark);
	WRITE_ONCE(state->available, 0);

	return getrandom_syscall(state->key, sizeof(state->key), 0) == sizeof(state->key) &&
	       __arch_vgetrandom_replace(&state->generation, mark, generation);
}

/* Leave a state that holds nothing, and that nobody mistakes for a good one. */
static __always_inline void vgetrandom_forget(struct vgetrandom_state *state,
					      unsigned long call)
{
	u64 *word = (u64 *)state->batch;
	size_t i;

	WRITE_ONCE(state->owner, call);
	WRITE_ONCE(state->generation, 0);
	WRITE_ONCE(state->available, 0);
	for (i = 0; i < VGETRANDOM_REFILL_SIZE / sizeof(*word); i++)
		WRITE_ONCE(word[i], 0);
	WRITE_ONCE(state->owner, 0);
}

/*
 * Hand out the last @len of the @available bytes of the batch. What is available
 * comes as an argument, read once: read again after the page was dropped it would
 * be less than was to be had before, and point outside of the state.
 */
static __always_inline void vgetrandom_take(struct vgetrandom_state *state,
					    unsigned long call, u8 *dst,
					    size_t available, size_t len)
{
	WRITE_ONCE(state->owner, call);
	__arch_vgetrandom_take(dst, state->batch + available - len, len);
	WRITE_ONCE(state->available, available - len);
}

/*
 * Fill @dst: with what the batch has, then with whole blocks made in place, then
 * from the batch that comes after them, out of the same run as the next key.
 */
static __always_inline void vgetrandom_fill(struct vgetrandom_state *state,
					    unsigned long call, u8 *dst, size_t len)
{
	size_t available = READ_ONCE(state->available);
	size_t first = min(len, available);
	u64 counter = 0;
	size_t blocks;

	vgetrandom_take(state, call, dst, available, first);
	dst += first;
	len -= first;
	if (likely(!len))
		return;

	blocks = len / VGETRANDOM_BLOCK_SIZE;
	if (blocks) {
		vgetrandom_chacha20_blocks(dst, state->key, &counter, blocks,
					   &state->owner, call);
		dst += blocks * VGETRANDOM_BLOCK_SIZE;
		len -= blocks * VGETRANDOM_BLOCK_SIZE;
	}

	vgetrandom_chacha20_blocks(state->batch, state->key, &counter,
				   VGETRANDOM_REFILL_BLOCKS, &state->owner, call);
	vgetrandom_take(state, call, dst, VGETRANDOM_BATCH_SIZE, len);
}

/**
 * __cvdso_getrandom - getrandom(2) without entering the kernel
 * @buffer:	where the bytes go
 * @len:	how many; more than MAX_RW_COUNT are cut to it, as in the system call
 * @flags:	GRND_*, as in the system call
 * @opaque_state: the calling thread's state, or where the parameters go
 * @opaque_len:	its size, as the kernel named it; or ~0UL for the parameters
 *
 * With @opaque_len of ~0UL and all other arguments zero, tells what a state needs:
 * fills the struct vgetrandom_opaque_params at @opaque_state. States are to be
 * mapped with the protection and flags named there, and none may straddle a page.
 *
 * A state may be used by one thread at a time. A signal handler may call on the
 * state of the call it interrupts, and may fork; both sides may then go on.
 * A handler that leaves by longjmp() in the middle of a call leaves a state that
 * is never wrong, but slow: every later call on it is a system call, until the
 * kernel drops or a fork wipes its page.
 *
 * Return: the number of bytes written; -EFAULT if the state straddles a page;
 * otherwise what the system call returns.
 */
static __always_inline ssize_t
__cvdso_getrandom(void *buffer, size_t len, unsigned int flags,
		  void *opaque_state, size_t opaque_len)
{
	/*
	 * Names this call among those that can be under way on the same state:
	 * they are nested in one another by signals, each in a frame of its own.
	 */
	const unsigned long this_call = (unsigned long)__builtin_frame_address(0);
	const size_t clipped_len = min_t(size_t, len, MAX_RW_COUNT);
	struct vgetrandom_state *state = opaque_state;
	const struct vdso_rng_data *rng;
	unsigned int attempt;
	u64 generation;

	if (unlikely(opaque_len != sizeof(*state))) {
		if (opaque_len == ~0UL && !buffer && !len && !flags)
			return vgetrandom_query(opaque_state);
		/* A process restored from a kernel with states of another size. */
		goto syscall;
	}

	/* The kernel drops whole pages: half a state of zeros would go unnoticed. */
	if (unlikely(offset_in_page(state) + sizeof(*state) > PAGE_SIZE))
		return -EFAULT;

	if (unlikely(!vgetrandom_flags_known(flags)))
		goto syscall;

	/* Whether to block, fail or give insecure bytes is the kernel's to say. */
	rng = __arch_get_vdso_rng_data();
	if (unlikely(!READ_ONCE(rng->is_ready)))
		goto syscall;

	if (unlikely(!len))
		return 0;

	/* In a signal handler, that interrupted another call on this state. */
	if (unlikely(READ_ONCE(state->owner)))
		goto syscall;

	for (attempt = 0; attempt < VGETRANDOM_ATTEMPTS; attempt++) {
		rng = __arch_get_vdso_rng_data();
		/* Before any key is asked for: see vgetrandom_rekey(). */
		generation = smp_load_acquire(&rng->generation);

		/*
		 * From here on the state is ours, and to be seen as such before
		 * it is touched: a signal handler that comes now must keep out.
		 */
		WRITE_ONCE(state->owner, this_call);
		WRITE_ONCE(state->witness, this_call);
		barrier();

		/*
		 * A lost attempt may have left its mark on a state that is not
		 * its own: when the page is dropped and then a signal handler
		 * makes a new state in it, what the attempt still had to write
		 * lands there. Hence a new key for every second attempt.
		 *
		 * A generation of 0 is that of a time namespace's page, joined
		 * since the last look at it, and of a state of zeros.
		 */
		if (unlikely(!generation))
			continue;
		if (unlikely(attempt || READ_ONCE(state->generation) != generation) &&
		    !vgetrandom_rekey(state, this_call, generation))
			continue;

		vgetrandom_fill(state, this_call, buffer, clipped_len);

		/*
		 * The bytes are good if they are not stale, and if the page has
		 * been this call's all the time, neither dropped nor wiped, nor
		 * since taken by a signal handler that found it so. The last look
		 * is at the page: a drop or a fork after it finds a call that is
		 * over.
		 */
		barrier();
		if (likely(READ_ONCE(rng->generation) == generation &&
			   READ_ONCE(state->witness) == this_call)) {
			WRITE_ONCE(state->owner, 0);
			return clipped_len;
		}
	}

	vgetrandom_forget(state, this_call);
syscall:
	return getrandom_syscall(buffer, len, flags);
}
