// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * getrandom() in user space: a fast key erasure generator. The kernel provides its
 * key and may drop its state.
 *
 * The construction is that of the kernel's RNG (drivers/char/random.c), moved into
 * the calling process. A key makes one ChaCha20 keystream: one part goes to the
 * caller, one replaces the key, and the rest is the batch, from which later calls
 * are served. Bytes that are returned are erased from the state. So an attacker who
 * reads the state learns nothing about bytes returned before. See "Fast-key-erasure
 * random-number generators", D. J. Bernstein, 2017,
 * <https://blog.cr.yp.to/20170723-random.html>.
 *
 * Two things can happen to a state between any two instructions:
 *
 *  - Its page is zeroed: the kernel drops it under memory pressure, or the process is
 *    now the child of a fork.
 *  - The kernel's RNG is reseeded: the state's key and batch are stale.
 *
 * The generator prevents neither. It detects both at the end of the call, or of a chunk of
 * a large request, and then starts over with a new key. Until this final check,
 * vgetrandom_is_good(), the bytes in the caller's buffer are not valid.
 *
 * A third thing can happen: a signal handler runs, and may call getrandom(), fork, or leave
 * the call by longjmp(). Where the architecture supports it, the kernel then aborts the
 * interrupted call, which starts over if the handler returns: see __arch_vgetrandom_try().
 *
 * Without such a kernel, an interrupted call goes on. Before the final check, it does not
 * know that its page was dropped, and goes on writing to it. If a signal handler has made a
 * new state in the page meanwhile, no call may use that state: not while the interrupted
 * call writes to it, and not afterwards. So a call locks the state when it begins, and again
 * before each of the few places where it writes. If the final check does not follow at once,
 * it also locks after such a place.
 *
 * Then one race remains. All of this must happen within one such place, which has at most
 * some two hundred instructions, and before its last store: the page is dropped; a
 * handler calls getrandom(); then another handler calls it, or one leaves the
 * interrupted call by longjmp(). The generator cannot prevent it: the drop could only
 * be recorded in the page that was dropped.
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

/* The most bytes that one system call reads or writes, as in <linux/fs.h>. */
#define MAX_RW_COUNT	(INT_MAX & ~(PAGE_SIZE - 1))

/*
 * Attempts to make a request: one, and another if a final check fails. A call
 * that took its bytes from the batch and failed the check made one more before these.
 */
#define VGETRANDOM_ATTEMPTS 2

/*
 * A large request is made in chunks, each with its own final check, so that a signal costs
 * one chunk and not the request. A chunk is one block less than a power of 2: the last
 * iteration of a core makes at least one block for the state. Each abort divides the size
 * by 4, each success multiplies it.
 */
#define VGETRANDOM_CHUNK_SIZE		16384
#define VGETRANDOM_MIN_CHUNK_SIZE	256

/*
 * After more aborts than this without a chunk between them, the system call serves the request.
 * This ends calls of a program that is single-stepped, or gets signals faster than it makes chunks.
 */
#define VGETRANDOM_ABORTS	16

/* Check what the cores, the functions below, and callers with many states in a page rely on. */
static __always_inline void vgetrandom_check_layout(void)
{
	compiletime_assert(offsetof(struct vgetrandom_state, owner) == VGETRANDOM_OWNER &&
			   offsetof(struct vgetrandom_state, witness) == VGETRANDOM_WITNESS &&
			   offsetof(struct vgetrandom_state, generation) ==
				   VGETRANDOM_GENERATION &&
			   offsetof(struct vgetrandom_state, available) ==
				   VGETRANDOM_AVAILABLE &&
			   offsetof(struct vgetrandom_state, key) == VGETRANDOM_KEYSTREAM &&
			   offsetof(struct vgetrandom_state, batch) == VGETRANDOM_BATCH &&
			   offsetof(struct vgetrandom_state, scratch) == VGETRANDOM_SCRATCH &&
			   sizeof(struct vgetrandom_state) == VGETRANDOM_STATE_SIZE,
			   "assembly uses other offsets for the fields of a state");
	compiletime_assert(offsetof(struct vdso_rng_data, generation) == 0 &&
			   offsetof(struct vdso_rng_data, core) == VGETRANDOM_RNG_CORE,
			   "assembly uses other offsets for the kernel's data");
	compiletime_assert(sizeof(struct vgetrandom_state) <= PAGE_SIZE,
			   "a state does not fit in a page");
	compiletime_assert((sizeof(struct vgetrandom_state) - VGETRANDOM_KEYSTREAM) %
				   VGETRANDOM_BLOCK_SIZE == 0,
			   "vgetrandom_erase() writes beyond a state");
	compiletime_assert(GRND_NONBLOCK == 1 && GRND_RANDOM == 2 && GRND_INSECURE == 4 &&
			   VGETRANDOM_FLAGS_END == (GRND_RANDOM | GRND_INSECURE),
			   "vgetrandom_flags_valid() assumes other values");
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)		\
	compiletime_assert((blocks) <= VGETRANDOM_MAX_BLOCKS,			\
			   "a state has no room for the blocks of this core: " log);
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
 * Accept the three flags, but not GRND_RANDOM with GRND_INSECURE. The system call
 * decides on all others.
 */
static __always_inline bool vgetrandom_flags_valid(unsigned int flags)
{
	return flags < VGETRANDOM_FLAGS_END;
}

/* The kernel drops whole pages: a call would not notice that half a state is zeros. */
static __always_inline bool vgetrandom_straddles_page(const void *state)
{
	return ((unsigned long)state & (PAGE_SIZE - 1)) >
	       PAGE_SIZE - sizeof(struct vgetrandom_state);
}

/* Stored in @generation while @call makes a key. Bit 63 is not set in any generation. */
static __always_inline u64 vgetrandom_rekey_token(unsigned long call)
{
	return call | 1ULL << 63;
}

/* Lock the state. Nested calls must see that before @call reads or writes anything else. */
static __always_inline void vgetrandom_lock(struct vgetrandom_state *state,
					    unsigned long call)
{
	WRITE_ONCE(state->owner, call);
	WRITE_ONCE(state->witness, call);
	barrier();
}

/*
 * Lock the state again, before a place that writes. If the page was dropped, a signal handler
 * may have made a new state in it. No other call may use that while this call writes to it.
 */
static __always_inline void vgetrandom_relock(struct vgetrandom_state *state,
					      unsigned long call)
{
	WRITE_ONCE(state->owner, call);
}

/*
 * Erase key, batch and scratch. Lock the state again before each block, so that the
 * places that write stay short.
 */
static __always_inline void vgetrandom_erase(struct vgetrandom_state *state,
					     unsigned long call)
{
	u8 *p = state->key;

	do {
		vgetrandom_relock(state, call);
		__arch_vgetrandom_erase_64(p);
		p += VGETRANDOM_BLOCK_SIZE;
	} while (p < (u8 *)(state + 1));
}

/*
 * Get a key that is not older than @generation. The caller has read @generation
 * before, by smp_load_acquire(). That pairs with the smp_store_release() by which the
 * kernel's RNG publishes a generation after its key of that generation is in place.
 *
 * The page can be dropped after the key has arrived. If @generation were stored then,
 * the key of zeros would look valid to any call that comes before this call's final
 * check. So @generation only replaces a token that was stored before the key.
 */
static __always_inline bool vgetrandom_rekey(struct vgetrandom_state *state,
					     unsigned long call, u64 generation)
{
	const u64 token = vgetrandom_rekey_token(call);

	WRITE_ONCE(state->generation, token);
	WRITE_ONCE(state->available, 0);
	/* The next batch may be shorter than the rest of the last one. */
	vgetrandom_erase(state, call);

	return getrandom_syscall(state->key, sizeof(state->key), 0) == sizeof(state->key) &&
	       __arch_vgetrandom_replace(&state->generation, token, generation);
}

/*
 * Erase a state and mark it as invalid. Invalidate last: if the page was dropped, the
 * erased state may be one that a signal handler has made, with a valid generation.
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
 * Move the last @len of the @available bytes of the batch to @dst. The caller has read
 * @available, once: after a drop a second read could return less than @len, and the
 * address of the bytes would be outside the state.
 */
static __always_inline void vgetrandom_take(struct vgetrandom_state *state,
					    const struct vdso_rng_data *rng, u8 *dst,
					    size_t available, size_t len)
{
	WRITE_ONCE(state->available, available - len);
	__arch_vgetrandom_take(dst, state->batch + available - len, len, rng);
}

/*
 * Fill @dst: from the batch; then with whole blocks, which a core writes to @dst; and
 * then from the new batch, which the last iteration of the core has made. A few sizes
 * of request need more than that, and use up another key.
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
		 * If the page was dropped, the bytes just erased may be part of a
		 * handler's new state. A core computes for a while before it locks
		 * the state: keep other calls out until then.
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
 * The final check: are the bytes in the caller's buffer valid? They are if the kernel
 * has not reseeded, and if the page has not been zeroed since the call locked it: not
 * dropped, not zeroed by a fork. In a zeroed page the witness is 0, or the token
 * of a handler's call. Check it last: a later drop or fork counts as one after the call.
 */
static __always_inline bool vgetrandom_is_good(const struct vgetrandom_state *state,
					       const struct vdso_rng_data *rng,
					       unsigned long call, u64 generation)
{
	/*
	 * Read the batch before the witness. Otherwise the bytes can come from the new page and
	 * the witness from the old one: on some architectures a drop sends no interrupt to other
	 * CPUs.
	 */
	smp_rmb();
	if (unlikely(!__arch_vgetrandom_holds(&rng->generation, generation)))
		return false;
	return __arch_vgetrandom_holds(&state->witness, call);
}

/*
 * A request that vgetrandom_try() works on. It is outside of the state, and so survives a
 * drop. @state is first: assembly reads it. At most 64 bytes: gcc initializes more by "rep
 * stos", which takes longer than all else that comes before a refill.
 */
struct vgetrandom_request {
	struct vgetrandom_state *state;
	u8		*buffer;
	size_t		len;
	size_t		done;	/* bytes at the start of @buffer that are valid */
	unsigned long	token;
	u64		outer;	/* @request of the state before this request changed it */
	u64		generation; /* of the bytes that are valid */
	unsigned int	chunk;	/* make one block less than this before the next final check */
	bool		is_retry;
	bool		is_complete;
};

/*
 * Make the next chunk of a request, with a new key if necessary. The kernel can abort this
 * at any instruction: then nothing in it happens any more, and the state has no key.
 *
 * A chunk that has passed its final check stays valid if a signal handler runs before the
 * next one. But if the handler forks, parent and child both have the chunk, and only one
 * of them may return it. So a request of several chunks stores its token in @request of the
 * state, and completes by replacing it. A fork has zeroed it in the child, which makes all
 * chunks again. A handler's own request of several chunks restores it. If the kernel has
 * reseeded, all chunks are made again, too: the chunks may have been made before a snapshot.
 *
 * Return: 0; -EAGAIN if the chunk is not valid; -EBUSY if the system call must serve the
 * request.
 */
VGETRANDOM_LINKAGE noinline VGETRANDOM_SECTION
int vgetrandom_try(struct vgetrandom_request *request)
{
	struct vgetrandom_state *state = request->state;
	const unsigned long token = request->token;
	const struct vdso_rng_data *rng;
	bool is_locked;
	u64 generation, outer;
	size_t len;
	int err = -EAGAIN;

	/*
	 * In use: this call is in a signal handler that interrupted another call on the state.
	 * After the first attempt, no other call can be on the state any more. If it is locked,
	 * a handler has left its call, and the state may be damaged.
	 */
	is_locked = !__arch_vgetrandom_holds(&state->owner, 0);
	if (unlikely(is_locked) && !request->is_retry)
		return -EBUSY;
	request->is_retry = true;

	rng = __arch_find_vdso_rng_data();
	/* Before the kernel is asked for a key: see vgetrandom_rekey(). */
	generation = smp_load_acquire(&rng->generation);
	vgetrandom_lock(state, token);
	if (unlikely(is_locked))
		WRITE_ONCE(state->generation, 0);

	/*
	 * Generation 0 is not valid: it is that of a zeroed state, and of the page of a time
	 * namespace that a handler has just joined.
	 */
	if (unlikely(!generation))
		goto invalid;
	if (unlikely(READ_ONCE(state->generation) != generation)) {
		if (!__arch_vgetrandom_may_hold_keys(state)) {
			err = -EBUSY;
			goto invalid;
		}
		if (!vgetrandom_rekey(state, token, generation))
			goto invalid;
	}
	if (request->generation != generation) {
		request->generation = generation;
		request->done = 0;
	}

	len = request->len - request->done;
	if (len > request->chunk - VGETRANDOM_BLOCK_SIZE)
		len = request->chunk - VGETRANDOM_BLOCK_SIZE;
	if (!request->done && len < request->len) {
		outer = READ_ONCE(state->request);
		/* It is this call's token if the first chunk was made before. */
		if (outer != token) {
			request->outer = outer;
			if (!__arch_vgetrandom_replace(&state->request, outer, token))
				goto invalid;
		}
	}

	if (len)
		vgetrandom_fill(state, rng, token, request->buffer + request->done, len);
	if (unlikely(!vgetrandom_is_good(state, rng, token, generation)))
		goto invalid;

	if (likely(len == request->len)) {
		request->is_complete = true;
	} else {
		request->done += len;
		if (request->done < request->len) {
			/* Do not make chunks for which the replacement below would fail. */
			if (READ_ONCE(state->request) != token)
				goto lost;
		} else {
			if (!__arch_vgetrandom_replace(&state->request, token, request->outer))
				goto lost;
			request->is_complete = true;
		}
	}
	WRITE_ONCE(state->owner, 0);
	return 0;

lost:
	request->done = 0;
invalid:
	vgetrandom_invalidate(state, token);
	return err;
}

/*
 * Go on with a request, after vgetrandom_try() has made a chunk of it (@err is 0), has failed,
 * or was aborted.
 */
static noinline ssize_t vgetrandom_continue(struct vgetrandom_request *request,
					    unsigned int flags, int err)
{
	unsigned int attempts = 0, aborts = 0;

	for (;;) {
		switch (err) {
		case 0:
			aborts = 0;
			if (request->chunk < VGETRANDOM_CHUNK_SIZE)
				request->chunk *= 4;
			break;
		case -EINTR:
			if (++aborts > VGETRANDOM_ABORTS)
				goto syscall;
			if (request->chunk > VGETRANDOM_MIN_CHUNK_SIZE)
				request->chunk /= 4;
			break;
		case -EAGAIN:
			if (++attempts == VGETRANDOM_ATTEMPTS)
				goto syscall;
			break;
		default:
			goto syscall;
		}

		err = __arch_vgetrandom_try(request);
		if (request->is_complete)
			return request->len;
	}
syscall:
	return getrandom_syscall(request->buffer, request->len, flags);
}

/*
 * Serve a call that needs a key, or more bytes than the batch has, or that has failed
 * the final check after it took bytes from the batch. @err is 0; or why the kernel aborted
 * the call before: see __arch_vgetrandom_try().
 */
VGETRANDOM_LINKAGE noinline
ssize_t vgetrandom_slow(void *buffer, size_t len, unsigned int flags,
			struct vgetrandom_state *state, int err)
{
	struct vgetrandom_request request = {
		.state	= state,
		.buffer	= buffer,
		.len	= len < MAX_RW_COUNT ? len : MAX_RW_COUNT,
		.chunk	= VGETRANDOM_CHUNK_SIZE,
		.token	= __arch_vgetrandom_token(),
		.is_retry = err,
	};

	if (likely(!err)) {
		err = __arch_vgetrandom_try(&request);
		if (likely(request.is_complete))
			return request.len;
	}
	return vgetrandom_continue(&request, flags, err);
}

/* Serve a query, and a call whose arguments or data the fast path leaves to others. */
VGETRANDOM_LINKAGE noinline
ssize_t vgetrandom_rare(void *buffer, size_t len, unsigned int flags,
			void *opaque_state, size_t opaque_len)
{
	if (opaque_len == ~0UL && !buffer && !len && !flags)
		return vgetrandom_query(opaque_state);

	/* The process was restored from a kernel with states of another size. */
	if (opaque_len != sizeof(struct vgetrandom_state))
		return getrandom_syscall(buffer, len, flags);

	if (vgetrandom_straddles_page(opaque_state))
		return -EFAULT;

	if (!vgetrandom_flags_valid(flags))
		return getrandom_syscall(buffer, len, flags);

	/*
	 * Before the RNG is ready, the kernel decides whether to block, to fail or to return
	 * insecure bytes. In a time namespace the data is on another page; vgetrandom_try()
	 * finds it, too.
	 */
	if (!READ_ONCE(__arch_find_vdso_rng_data()->is_ready))
		return getrandom_syscall(buffer, len, flags);

	if (!len)
		return 0;

	return vgetrandom_slow(buffer, len, flags, opaque_state, 0);
}

/**
 * __cvdso_getrandom - getrandom(2) without entering the kernel
 * @buffer:	receives the bytes
 * @len:	number of bytes; at most MAX_RW_COUNT are written, as by the system call
 * @flags:	GRND_*, as in the system call
 * @opaque_state: the calling thread's state; in a query, receives the parameters
 * @opaque_len:	the size of a state, as the query reports it; ~0UL for a query
 *
 * A query has an @opaque_len of ~0UL, and zeros in @buffer, @len and @flags. It fills
 * the struct vgetrandom_opaque_params at @opaque_state. The caller must map states
 * with the protection and flags named there, and no state may straddle a page.
 *
 * Only one thread at a time may use a state. A signal handler may call on the state
 * of the call that it interrupts, and may fork; parent and child may then continue.
 * It may also leave the call by longjmp(). If the kernel does not abort interrupted calls
 * (see __arch_vgetrandom_try()), the state then stays locked: every later call on it makes
 * a system call, until the page is dropped or zeroed by a fork. The bytes are still right,
 * except after the race described at the top of this file.
 *
 * Return: the number of bytes written; 0 for a query; -EFAULT if the state straddles
 * a page; otherwise the result of the system call.
 */
static __always_inline ssize_t
__cvdso_getrandom(void *buffer, size_t len, unsigned int flags,
		  void *opaque_state, size_t opaque_len)
{
	const struct vdso_rng_data *rng = __arch_get_vdso_rng_data();
	const unsigned long this_call = __arch_vgetrandom_token();
	struct vgetrandom_state *state = opaque_state;
	u64 generation, available;

	if (unlikely(opaque_len != sizeof(*state) || vgetrandom_straddles_page(state) ||
		     !vgetrandom_flags_valid(flags) || !READ_ONCE(rng->is_ready) || !len))
		return vgetrandom_rare(buffer, len, flags, opaque_state, opaque_len);

	/* In use: this call is in a signal handler that interrupted another call on the state. */
	if (unlikely(!__arch_vgetrandom_holds(&state->owner, 0)))
		return getrandom_syscall(buffer, len, flags);

	/*
	 * From here on calls in signal handlers make the system call. Most calls write
	 * only in this place, and unlock after a few dozen instructions.
	 */
	vgetrandom_lock(state, this_call);
	generation = READ_ONCE(rng->generation);

	/*
	 * Generation 0 is that of a time namespace's page, and of a dropped state:
	 * the next check would find them equal.
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
	/* A new key, because the state may be damaged: see vgetrandom_invalidate(). */
	WRITE_ONCE(state->generation, 0);
slow:
	WRITE_ONCE(state->owner, 0);
	return vgetrandom_slow(buffer, len, flags, state, 0);
}
