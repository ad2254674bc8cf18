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
 * must not be used, neither while it is being written to nor after that. So a call
 * locks the state not only when it begins, but before each of the few places where it
 * writes, and after one of them if it is not to look at the state at once. What
 * remains is a page that is dropped within such a place, some two hundred instructions
 * at the most, a handler that calls before its last store, and before that too another
 * one that calls or that leaves by longjmp(). Nothing can be done about it here: there
 * is no memory to leave word in but the page itself.
 */

#include <linux/compiler.h>
#include <asm/barrier.h>
#include <asm/rwonce.h>
#include <asm/vdso/getrandom.h>
#include <uapi/linux/errno.h>
#include <uapi/linux/mman.h>
#include <uapi/linux/random.h>
#include <vdso/getrandom-generic.h>
#include <vdso/limits.h>

/* The longest that a system call reads or writes: as in <linux/fs.h>. */
#define MAX_RW_COUNT	(INT_MAX & ~(PAGE_SIZE - 1))

/*
 * Attempts to serve a request that the batch alone could not: the first, and one
 * more after the state was lost in the middle of it. A call that was to be served
 * from the batch, and has lost it, has had an attempt before these.
 */
#define VGETRANDOM_ATTEMPTS 2

/* What cores, the functions below, and consumers that cut a page into states rely on. */
static __always_inline void vgetrandom_check_layout(void)
{
	compiletime_assert(offsetof(struct vgetrandom_state, owner) == VGETRANDOM_OWNER &&
			   offsetof(struct vgetrandom_state, key) == VGETRANDOM_KEYSTREAM &&
			   offsetof(struct vgetrandom_state, batch) ==
				   VGETRANDOM_KEYSTREAM + VGETRANDOM_KEY_SIZE &&
			   offsetof(struct vgetrandom_state, scratch) == VGETRANDOM_SCRATCH,
			   "cores find the fields of a state elsewhere");
	compiletime_assert(sizeof(struct vgetrandom_state) <= PAGE_SIZE,
			   "a page has no room for a state");
	compiletime_assert((sizeof(struct vgetrandom_state) - VGETRANDOM_KEYSTREAM) %
				   VGETRANDOM_BLOCK_SIZE == 0,
			   "vgetrandom_erase() goes beyond a state");
	compiletime_assert(GRND_NONBLOCK == 1 && GRND_RANDOM == 2 && GRND_INSECURE == 4,
			   "vgetrandom_flags_valid() takes other flags for these");
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)		\
	compiletime_assert((blocks) <= VGETRANDOM_MAX_BLOCKS,			\
			   "a state has no room for what this core makes: " log);
#include <asm/vdso/getrandom-cores.h>
}

static __always_inline ssize_t vgetrandom_query(struct vgetrandom_opaque_params *params)
{
	vgetrandom_check_layout();

	*params = (struct vgetrandom_opaque_params) {
		.size_of_opaque_state	= sizeof(struct vgetrandom_state),
		.mmap_prot		= PROT_READ | PROT_WRITE,
		.mmap_flags		= MAP_DROPPABLE | MAP_ANONYMOUS,
	};

	return 0;
}

/*
 * Known is each of the three bits. GRND_RANDOM and GRND_INSECURE are not to be had
 * together; the system call knows the answer.
 */
static __always_inline bool vgetrandom_flags_valid(unsigned int flags)
{
	return flags < (GRND_RANDOM | GRND_INSECURE);
}

/* Not a generation: those count reseeds, and begin at 1. */
static __always_inline u64 vgetrandom_rekey_token(unsigned long call)
{
	return call | 1ULL << 63;
}

/* The state is @call's from here on, and to be seen as such before it is touched. */
static __always_inline void vgetrandom_lock(struct vgetrandom_state *state,
					    unsigned long call)
{
	WRITE_ONCE(state->owner, call);
	WRITE_ONCE(state->witness, call);
	barrier();
}

/*
 * Before a place that writes: if the page was dropped, a signal handler may have made a new
 * state in it. Other calls must not use that one while this call still writes to it.
 */
static __always_inline void vgetrandom_relock(struct vgetrandom_state *state,
					      unsigned long call)
{
	WRITE_ONCE(state->owner, call);
}

/*
 * Erase key, batch and scratch. In steps, each of which locks the state again, so
 * that none is long enough for much to happen in it.
 */
static __always_inline void vgetrandom_erase(struct vgetrandom_state *state,
					     unsigned long call)
{
	u8 *p;

	for (p = state->key; p < (u8 *)(state + 1); p += VGETRANDOM_BLOCK_SIZE) {
		vgetrandom_relock(state, call);
		__arch_vgetrandom_erase_64(p);
	}
}

/*
 * Give the state a key that is not older than @generation. The caller has read
 * @generation first: pairs with the smp_store_release() where the kernel's RNG
 * publishes it, which lets nobody see a generation before the kernel's key of that
 * generation is in place.
 *
 * The page can be dropped after the key has come. To write @generation then would
 * make a good state out of a key of zeros, for any call that comes before the
 * loss is noticed. So it only ever replaces a mark that was there before the key.
 */
static __always_inline bool vgetrandom_rekey(struct vgetrandom_state *state,
					     unsigned long call, u64 generation)
{
	const u64 mark = vgetrandom_rekey_token(call);

	WRITE_ONCE(state->generation, mark);
	WRITE_ONCE(state->available, 0);
	/* The next batch may be shorter than what was left of the last one. */
	vgetrandom_erase(state, call);

	return getrandom_syscall(state->key, sizeof(state->key), 0) == sizeof(state->key) &&
	       __arch_vgetrandom_replace(&state->generation, mark, generation);
}

/*
 * Leave a state that holds nothing, and that nobody mistakes for a good one. It is
 * said last that it is none: what is erased may be the state that a signal handler
 * has made of a page that was dropped, generation and all.
 */
static __always_inline void vgetrandom_invalidate(struct vgetrandom_state *state,
					      unsigned long call)
{
	vgetrandom_erase(state, call);
	WRITE_ONCE(state->generation, 0);
	WRITE_ONCE(state->available, 0);
	WRITE_ONCE(state->owner, 0);
}

/*
 * Hand out the last @len of the @available bytes of the batch. What is available
 * comes as an argument, read once: read again after the page was dropped it would
 * be less than was to be had before, and point outside of the state.
 */
static __always_inline void vgetrandom_take(struct vgetrandom_state *state,
					    const struct vdso_rng_data *rng, u8 *dst,
					    size_t available, size_t len)
{
	WRITE_ONCE(state->available, available - len);
	__arch_vgetrandom_take(dst, state->batch + available - len, len, rng);
}

/*
 * Fill @dst: with what the batch has; then with whole blocks made in place, and
 * from the batch that what is left of the last iteration makes. That is enough for the
 * rest but for some sizes of request, whose rest takes another key.
 */
static __always_inline void vgetrandom_fill(struct vgetrandom_state *state,
					    const struct vdso_rng_data *rng,
					    unsigned long call, u8 *dst, size_t len)
{
	size_t available = READ_ONCE(state->available);
	size_t blocks, kept, part;

	for (;;) {
		part = len < available ? len : available;
		vgetrandom_relock(state, call);
		vgetrandom_take(state, rng, dst, available, part);
		dst += part;
		len -= part;
		if (!len)
			return;

		/*
		 * If it was another's, bytes of it are zeros now, and a core takes
		 * its time before it locks: keep everybody out until then.
		 */
		vgetrandom_relock(state, call);
		blocks = len / VGETRANDOM_BLOCK_SIZE;
		kept = __arch_vgetrandom_generate(state, dst, blocks, call,
						  READ_ONCE(rng->core));
		available = kept * VGETRANDOM_BLOCK_SIZE - VGETRANDOM_KEY_SIZE;
		dst += blocks * VGETRANDOM_BLOCK_SIZE;
		len -= blocks * VGETRANDOM_BLOCK_SIZE;
	}
}

/*
 * Has a call that has filled its buffer done it right? The bytes are good if they
 * are not stale, and if the page has been this call's all the time, neither dropped
 * nor wiped, nor since taken by a signal handler that found it so. The last look is
 * at the page: a drop or a fork after it finds a call that is over.
 */
static __always_inline bool vgetrandom_is_good(const struct vgetrandom_state *state,
					       const struct vdso_rng_data *rng,
					       unsigned long call, u64 generation)
{
	/*
	 * Bytes of the batch were read before this, or they can be those of the new page and
	 * the witness that of the old one: a drop sends other CPUs no interrupt on some
	 * architectures.
	 */
	smp_rmb();
	if (unlikely(!__arch_vgetrandom_holds(&rng->generation, generation)))
		return false;
	return __arch_vgetrandom_holds(&state->witness, call);
}

/*
 * A call that needs a key, or more than the batch has; or that has lost its state
 * while it took from the batch.
 */
static noinline ssize_t vgetrandom_slow(void *buffer, size_t len, unsigned int flags,
					struct vgetrandom_state *state,
					unsigned long this_call)
{
	const size_t clipped_len = len < MAX_RW_COUNT ? len : MAX_RW_COUNT;
	const struct vdso_rng_data *rng;
	unsigned int attempt;
	u64 generation;

	for (attempt = 0; attempt < VGETRANDOM_ATTEMPTS; attempt++) {
		rng = __arch_find_vdso_rng_data();
		/* Before any key is asked for: see vgetrandom_rekey(). */
		generation = smp_load_acquire(&rng->generation);
		vgetrandom_lock(state, this_call);

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
		if (unlikely(attempt || READ_ONCE(state->generation) != generation)) {
			if (!__arch_vgetrandom_may_hold_keys(state))
				break;
			if (!vgetrandom_rekey(state, this_call, generation))
				continue;
		}

		vgetrandom_fill(state, rng, this_call, buffer, clipped_len);

		if (likely(vgetrandom_is_good(state, rng, this_call, generation))) {
			WRITE_ONCE(state->owner, 0);
			return clipped_len;
		}
	}

	vgetrandom_invalidate(state, this_call);
	return getrandom_syscall(buffer, len, flags);
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
 * is not wrong (but see above), but slow: every later call on it is a system call,
 * until the kernel drops or a fork wipes its page.
 *
 * Return: the number of bytes written; -EFAULT if the state straddles a page;
 * otherwise what the system call returns.
 */
static __always_inline ssize_t
__cvdso_getrandom(void *buffer, size_t len, unsigned int flags,
		  void *opaque_state, size_t opaque_len)
{
	const unsigned long this_call = __arch_vgetrandom_call();
	struct vgetrandom_state *state = opaque_state;
	const struct vdso_rng_data *rng;
	u64 generation, available;

	if (unlikely(opaque_len != sizeof(*state))) {
		if (opaque_len == ~0UL && !buffer && !len && !flags)
			return vgetrandom_query(opaque_state);
		/* A process restored from a kernel with states of another size. */
		goto syscall;
	}

	/* The kernel drops whole pages: half a state of zeros would go unnoticed. */
	if (unlikely(((unsigned long)state & (PAGE_SIZE - 1)) > PAGE_SIZE - sizeof(*state)))
		return -EFAULT;

	if (unlikely(!vgetrandom_flags_valid(flags)))
		goto syscall;

	/*
	 * Whether to block, fail or give insecure bytes is the kernel's to say. In a
	 * time namespace the data is elsewhere, and vgetrandom_slow() will find it.
	 */
	rng = __arch_get_vdso_rng_data();
	if (unlikely(!READ_ONCE(rng->is_ready)) &&
	    !READ_ONCE(__arch_find_vdso_rng_data()->is_ready))
		goto syscall;

	if (unlikely(!len))
		return 0;

	/* In a signal handler, that interrupted another call on this state. */
	if (unlikely(!__arch_vgetrandom_holds(&state->owner, 0)))
		goto syscall;

	/*
	 * From here on a signal handler must keep out. What most calls do is this
	 * one place where they write, a few dozen instructions until it is free again.
	 */
	vgetrandom_lock(state, this_call);
	generation = READ_ONCE(rng->generation);

	/*
	 * Zero is what a time namespace has here, and a state that has been dropped:
	 * that they are equal says nothing.
	 */
	if (unlikely(!generation))
		goto slow;
	if (unlikely(!__arch_vgetrandom_holds(&state->generation, generation)))
		goto slow;
	available = READ_ONCE(state->available);
	if (unlikely(len > available))
		goto slow;

	vgetrandom_take(state, rng, buffer, available, len);
	if (likely(vgetrandom_is_good(state, rng, this_call, generation))) {
		WRITE_ONCE(state->owner, 0);
		return len;
	}
	/* What has been written may be in another's state: as above. */
	WRITE_ONCE(state->generation, 0);
slow:
	return vgetrandom_slow(buffer, len, flags, state, this_call);
syscall:
	return getrandom_syscall(buffer, len, flags);
}
