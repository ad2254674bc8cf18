// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests calls that the kernel aborts: see <asm/vdso/getrandom-ranges.h>. The test single-steps
 * calls and does in the kernel's place what abort_model.h says. inject_test.c and step_test.c
 * check the bytes of calls that signal handlers interrupt; this tests what the kernel and the
 * image promise each other, and requests of several chunks.
 *
 * In the environment: STEP_EVERY tries only every Nth step, VDSO_CORE names the core, ONLY
 * the only test to run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/random.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abort_model.h"
#include "callee_saved.h"
#include "kselftest_harness.h"
#include "secrets.h"
#include "testbed.h"

#define LIMIT		3600	/* seconds, of a test */
#define MAX_CALL	20000	/* longest request: two chunks */
#define MAX_XSAVE	16384
#define RED_ZONE	128
#define ABORTS		16	/* without progress: VGETRANDOM_ABORTS of lib/vdso/getrandom.c */
#define MIN_CHUNK	192	/* after many aborts */
#define MAX_COMPLETE	8	/* instructions of the range after a call is complete */
#define MAX_TAIL	40	/* instructions of the call after that */

static const char * const start_names[] = { "empty state", "part-used batch", "full batch" };

static struct {
	enum start start;
	size_t len;
	unsigned int flags;
	uint8_t out[MAX_CALL];
	unsigned long steps, nfailed;
	char why[256];
} trial;

static unsigned long sample_every = 1;

static void failed(unsigned long step, const void *ip, const char *what)
{
	const void *from = vdso_host_sym(testbed.host, "__vdso_getrandom");

	if (!trial.nfailed++)
		snprintf(trial.why, sizeof(trial.why), "at step %lu (%s, %+td): %s", step,
			 vdso_host_function(testbed.host, ip) ?: "?",
			 ip - from, what);
}

/* Most of a long call is arithmetic on registers: try fewer steps of that. */
static bool is_skipped(unsigned long step, const void *ip, unsigned long every)
{
	return (step + trial.len) % (sample_every * (testbed_in_core(ip) ? every : 1));
}

/*
 * A caller whose callee-saved registers have known values.
 */

static const int callee_saved[] = { REG_RBX, REG_RBP, REG_R12, REG_R13, REG_R14, REG_R15 };

/* Used by call_from_known_registers(). */
const uint64_t caller_values[] = {
	0x1bad1bad1bad1b01, 0x1bad1bad1bad1b02, 0x1bad1bad1bad1b03,
	0x1bad1bad1bad1b04, 0x1bad1bad1bad1b05, 0x1bad1bad1bad1b06,
};

uint64_t caller_registers[ARRAY_SIZE(caller_values)], caller_sp, caller_sp_after;
vgetrandom_fn caller_fn;

/* XRSTOR from this area, in which no component is in use, zeroes all registers. */
alignas(64) uint8_t caller_vectors[MAX_XSAVE];

/*
 * Call caller_fn, and store the registers that it must preserve. Before, clear what the test
 * has left on the stack and in vector registers.
 */
__attribute__((naked, noinline, noclone))
static ssize_t call_from_known_registers(void *buffer, size_t len, unsigned int flags,
					 void *state, size_t state_len)
{
	asm(PUSH_CALLEE_SAVED
	    "mov %rdi, %r9\n\t"
	    "mov %edx, %r10d\n\t"
	    "mov %rcx, %r11\n\t"
	    "lea -2048(%rsp), %rdi\n\t"
	    "mov $256, %ecx\n\t"
	    "xor %eax, %eax\n\t"
	    "rep stosq\n\t"
	    "mov $0xe7, %eax\n\t"
	    "xor %edx, %edx\n\t"
	    "xrstor caller_vectors(%rip)\n\t"
	    "mov %r9, %rdi\n\t"
	    "mov %r10d, %edx\n\t"
	    "mov %r11, %rcx\n\t"
	    "mov caller_values+0(%rip), %rbx\n\t"
	    "mov caller_values+8(%rip), %rbp\n\t"
	    "mov caller_values+16(%rip), %r12\n\t"
	    "mov caller_values+24(%rip), %r13\n\t"
	    "mov caller_values+32(%rip), %r14\n\t"
	    "mov caller_values+40(%rip), %r15\n\t"
	    "mov %rsp, caller_sp(%rip)\n\t"
	    "call *caller_fn(%rip)\n\t"
	    "mov %rsp, caller_sp_after(%rip)\n\t"
	    "mov caller_sp(%rip), %rsp\n\t"
	    "mov %rbx, caller_registers+0(%rip)\n\t"
	    "mov %rbp, caller_registers+8(%rip)\n\t"
	    "mov %r12, caller_registers+16(%rip)\n\t"
	    "mov %r13, caller_registers+24(%rip)\n\t"
	    "mov %r14, caller_registers+32(%rip)\n\t"
	    "mov %r15, caller_registers+40(%rip)\n\t"
	    POP_CALLEE_SAVED
	    "ret");
}

static bool caller_is_intact(void)
{
	return !memcmp(caller_registers, caller_values, sizeof(caller_values)) &&
	       caller_sp_after == caller_sp;
}

/* The call of trial, with @step at each step. */
static ssize_t step_trial(step_fn step, void *arg)
{
	ssize_t ret;

	vdso_host_set_rng(testbed.host, 1, true);
	testbed_start(trial.start);
	mock->hook = step_here;
	ret = step_call(call_from_known_registers, trial.out, trial.len, trial.flags,
			testbed.state, STATE_SIZE, step, arg, &trial.steps);
	mock->hook = NULL;
	return ret;
}

static void set_trial(enum start start, size_t len)
{
	memset(&trial, 0, sizeof(trial));
	trial.start = start;
	trial.len = len;
}

FIXTURE(abort) {
};

FIXTURE_SETUP(abort)
{
	const char *every = getenv("STEP_EVERY"), *only = getenv("ONLY");
	const uint32_t mxcsr = 0x1f80;

	if (only && strcmp(only, _metadata->name))
		SKIP(_exit(255), "only %s", only);
	ASSERT_TRUE(testbed_open() && step_open(testbed.host));
	ASSERT_NE(NULL, testbed.ranges) {
		TH_LOG("the image has no table of ranges");
	}
	caller_fn = testbed.fn;
	memcpy(caller_vectors + 24, &mxcsr, sizeof(mxcsr));
	if (every)
		sample_every = strtoul(every, NULL, 10);
	ASSERT_LT(0, sample_every);
}

FIXTURE_TEARDOWN(abort)
{
}

/*
 * At every instruction: the registers that the kernel relies on, those that it leaves to the
 * landing, and what a signal handler sees.
 */
static struct {
	unsigned long disturb_at;	/* step of a drop or reseed */
	bool reseeds;
	unsigned int keys;		/* requests whose keys are in the set of secrets */
	uint64_t frame;			/* rbp in the guarded range */
	unsigned long fast, guarded, outside;	/* instructions that were checked */
} contract;

/* Add all that a call computes with @key and with the key that may follow from it. */
static void add_key(const uint8_t *key)
{
	const size_t blocks = (trial.len / VGETRANDOM_BLOCK_SIZE / ITERATION_BLOCKS + 1) *
			      ITERATION_BLOCKS;
	uint8_t stream[SECRET_BLOCKS * VGETRANDOM_BLOCK_SIZE];
	const size_t next = trial.len / VGETRANDOM_BLOCK_SIZE * VGETRANDOM_BLOCK_SIZE;

	secrets_add_stream(key, blocks);
	oracle_stream(stream, sizeof(stream), key, 0);
	if (trial.len % VGETRANDOM_BLOCK_SIZE > VGETRANDOM_KEY_SIZE)
		secrets_add_stream(stream + next, ITERATION_BLOCKS);
}

static void add_new_keys(void)
{
	for (; contract.keys < mock_count(); contract.keys++)
		if (mock_request(contract.keys)->is_key)
			add_key(mock_request(contract.keys)->bytes);
}

/* Does a secret show in the registers of @context, or on the stack? */
static bool shows_secret(const ucontext_t *context)
{
	const greg_t *regs = context->uc_mcontext.gregs;
	const uint8_t *xsave = (const uint8_t *)context->uc_mcontext.fpregs;
	const struct _fpx_sw_bytes *sw = (const void *)(xsave + 464);
	const uint64_t stack = regs[REG_RSP] - RED_ZONE;
	size_t where;

	return secrets_found(regs, sizeof(context->uc_mcontext.gregs), &where) ||
	       secrets_found(xsave, sw->extended_size, &where) ||
	       secrets_found((void *)stack, caller_sp - stack, &where);
}

/* The same for what a signal handler sees here. The state is left as it is. */
static bool frame_shows_secret(const ucontext_t *context)
{
	static uint8_t xsave[MAX_XSAVE];
	const struct vgetrandom_state state = *testbed.state;
	ucontext_t copy = *context;
	bool shows;

	memcpy(xsave, context->uc_mcontext.fpregs, sizeof(xsave));
	copy.uc_mcontext.fpregs = (void *)xsave;
	if (!abort_model(&copy, testbed.ranges, -EINTR))
		return true;
	shows = shows_secret(&copy);
	*testbed.state = state;
	return shows;
}

static bool has_arguments(const greg_t *regs)
{
	if (regs[REG_RDI] != (greg_t)trial.out || regs[REG_RSI] != (greg_t)trial.len ||
	    (unsigned int)regs[REG_RDX] != trial.flags ||
	    regs[REG_RCX] != (greg_t)testbed.state ||
	    regs[REG_RSP] != (greg_t)(caller_sp - sizeof(uint64_t)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(callee_saved); i++)
		if (regs[callee_saved[i]] != (greg_t)caller_values[i])
			return false;
	return true;
}

static bool has_frame(const greg_t *regs)
{
	if (!contract.frame)
		contract.frame = regs[REG_RBP];
	return regs[REG_RBX] == (greg_t)testbed.state &&
	       regs[REG_RBP] == (greg_t)contract.frame &&
	       regs[REG_RSP] < regs[REG_RBP] && contract.frame < caller_sp;
}

static bool check_contract(unsigned long step, const void *ip, void *arg)
{
	const struct vgetrandom_range *range = abort_model_range(testbed.ranges, (uintptr_t)ip);
	const ucontext_t *context = step_context();
	const greg_t *regs = context->uc_mcontext.gregs;

	(void)arg;
	if (!step) {
		add_key(testbed.state->key);
		secrets_add(testbed.state->batch, sizeof(testbed.state->batch));
	}
	add_new_keys();
	if (step == contract.disturb_at && contract.reseeds)
		testbed.rng->generation++;
	else if (step == contract.disturb_at)
		testbed_drop();
	if (!range) {
		contract.outside++;
		contract.frame = 0;
		if (testbed.state->owner)
			failed(step, ip, "the state is locked outside of the ranges");
		if (shows_secret(context))
			failed(step, ip, "a secret is in a register outside of the ranges");
		return true;
	}
	if (range->guarded) {
		contract.guarded++;
		if (!has_frame(regs))
			failed(step, ip, "rbx is not the state, or rbp not the stub's frame");
	} else {
		contract.fast++;
		if (!has_arguments(regs))
			failed(step, ip, "the arguments or the caller's registers have changed");
	}
	if (!is_skipped(step, ip, 16) && frame_shows_secret(context))
		failed(step, ip, "a signal handler sees a secret");
	return true;
}

static void explore_contract(struct __test_metadata *_metadata, unsigned long disturb_at,
			     bool reseeds)
{
	const enum start start = trial.start;
	const size_t len = trial.len;

	set_trial(start, len);
	contract.disturb_at = disturb_at;
	contract.reseeds = reseeds;
	contract.frame = 0;
	contract.keys = mock_count();
	secrets_clear();
	EXPECT_EQ((ssize_t)len, step_trial(check_contract, NULL));
	EXPECT_TRUE(caller_is_intact());
	EXPECT_TRUE(secrets_complete());
	EXPECT_EQ(0, trial.nfailed) {
		TH_LOG("%zu bytes, %s, %s at step %lu: %lu fail, first %s", len,
		       start_names[start], reseeds ? "reseed" : "drop", disturb_at,
		       trial.nfailed, trial.why);
	}
}

TEST_F_TIMEOUT(abort, registers_at_every_instruction, LIMIT)
{
	/* The slow path; and each size of the fast path's copies. */
	const size_t lens[] = {
		BATCH + 1, SECOND_KEY, BATCH - 1, 1, 33,
		2, 3, 4, 5, 8, 9, 16, 17, 32, 64, 65, 129,
	};

	memset(&contract, 0, sizeof(contract));
	for (enum start start = EMPTY; start <= FULL_BATCH; start++) {
		for (size_t i = 0; i < (start == FULL_BATCH ? ARRAY_SIZE(lens) : 5); i++) {
			unsigned long steps, every;

			set_trial(start, lens[i]);
			explore_contract(_metadata, ~0UL, false);
			steps = trial.steps;
			/* Calls that fail their final check take other paths. */
			every = 1 + steps / 4 * sample_every;
			for (unsigned long at = steps / 8; at < steps; at += every) {
				explore_contract(_metadata, at, false);
				explore_contract(_metadata, at, true);
			}
		}
	}
	EXPECT_LT(0, contract.fast);
	EXPECT_LT(0, contract.guarded);
	EXPECT_LT(0, contract.outside);
	TH_LOG("instructions: %lu of the fast path, %lu guarded, %lu outside", contract.fast,
	       contract.guarded, contract.outside);
}

/*
 * A call is aborted at every instruction. In a child it then runs to its end.
 */
static struct aborted {
	bool finished, aborted, canaries_ok, is_intact, is_invalid;
	unsigned int from, to;		/* requests after the abort */
	ssize_t ret;
	uint8_t at_abort[MAX_CALL], out[MAX_CALL];
	struct vgetrandom_state after;
} *child;

static unsigned long aborts;

static struct {
	int reason;
	bool in_child;
	unsigned long aborted, complete;
} once;

static const char *check_aborted(void)
{
	const struct mock_request *last = mock_request(child->to - 1);
	struct oracle nothing = { .available = 0 };

	if (!child->finished || !child->canaries_ok)
		return "the call did not return, or wrote outside of the state";
	if (!child->is_intact)
		return "the caller's registers have changed";
	if (!child->aborted)
		return child->ret == (ssize_t)trial.len ? NULL : "an undisturbed call failed";
	if (!child->is_invalid)
		return "the abort left a state that seems valid or locked";
	/* Complete: the bytes had passed the final check. */
	if (child->to == child->from && child->ret == (ssize_t)trial.len &&
	    !memcmp(child->at_abort, child->out, trial.len)) {
		once.complete++;
		return NULL;
	}
	if (child->to != child->from + 1)
		return "the call made more or less than one request after the abort";
	if (once.reason == -EINTR)
		return child->ret == (ssize_t)trial.len && last->is_key &&
		       testbed_replay(&nothing, child->out, trial.len, child->from, child->to,
				      last->pid) &&
		       oracle_agrees(&nothing, &child->after) && !child->after.owner ? NULL :
		       "the call returned other bytes than a new key's";
	if (last->is_key || last->buffer != trial.out || last->len != trial.len ||
	    last->flags != trial.flags)
		return "the call did not make the system call with its arguments";
	return child->ret == -EFAULT && !child->after.owner && !child->after.generation ? NULL :
	       "the call did not return the result of the system call";
}

static bool abort_once(unsigned long step, const void *ip, void *arg)
{
	struct vdso_rng_data rng = *testbed.rng;
	const unsigned int requests = mock_count();
	const char *why;
	int status;
	pid_t pid;

	(void)arg;
	if (is_skipped(step, ip, 16))
		return true;
	memset(child, 0, offsetof(struct aborted, at_abort));
	pid = testbed_fork();
	if (!pid) {
		once.in_child = true;
		memcpy(child->at_abort, trial.out, trial.len);
		child->from = mock_count();
		child->aborted = step_abort(once.reason);
		/* The answer to the system call. */
		if (child->aborted && once.reason != -EINTR)
			mock->refuse_with = -EFAULT;
		child->is_invalid = !testbed.state->owner && !testbed.state->generation &&
				    !testbed.state->available;
		return false;
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
		failed(step, ip, "a child failed");
		return true;
	}
	mock->refuse_with = 0;
	*testbed.rng = rng;
	why = check_aborted();
	if (why)
		failed(step, ip, why);
	once.aborted += child->aborted;
	if (child->aborted != !!abort_model_range(testbed.ranges, (uintptr_t)ip))
		failed(step, ip, "the model aborts outside of the ranges, or not inside");
	mock->count = requests;
	return true;
}

static void explore_aborts(struct __test_metadata *_metadata, enum start start, size_t len,
			   int reason)
{
	ssize_t ret;

	set_trial(start, len);
	trial.flags = GRND_NONBLOCK;
	memset(&once, 0, sizeof(once));
	once.reason = reason;
	ret = step_trial(abort_once, NULL);
	if (once.in_child) {
		child->ret = ret;
		child->to = mock_count();
		memcpy(child->out, trial.out, len);
		child->after = *testbed.state;
		child->canaries_ok = testbed_canaries_ok();
		child->is_intact = caller_is_intact();
		child->finished = true;
		_exit(0);
	}
	EXPECT_EQ((ssize_t)len, ret);
	aborts += once.aborted;
	EXPECT_GE(MAX_COMPLETE, once.complete);
	EXPECT_EQ(0, trial.nfailed) {
		TH_LOG("%zu bytes, %s, reason %d: %lu of %lu fail, first %s", len,
		       start_names[start], reason, trial.nfailed, trial.steps, trial.why);
	}
}

TEST_F_TIMEOUT(abort, aborted_at_every_instruction, LIMIT)
{
	static const int reasons[] = { -EINTR, -ENOMEM, -EFAULT };
	const size_t lens[] = { 1, 16, 33, 129, BATCH + 1, SECOND_KEY, 3 * ITERATION_SIZE + 17 };

	child = mmap(NULL, sizeof(*child), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	ASSERT_NE(MAP_FAILED, child);
	for (enum start start = EMPTY; start <= FULL_BATCH; start++)
		for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
			for (size_t k = 0; k < ARRAY_SIZE(reasons); k++)
				explore_aborts(_metadata, start, lens[i], reasons[k]);
	EXPECT_LT(0, aborts);
}

/*
 * A call is aborted again and again.
 */
static bool handlers_call;

static bool abort_each(unsigned long step, const void *ip, void *arg)
{
	const unsigned long *every = arg;
	uint8_t out[8];

	(void)ip;
	if (step % *every || !step_abort(-EINTR))
		return true;
	aborts++;
	if (handlers_call && testbed_call(out, sizeof(out), 0) != sizeof(out))
		failed(step, ip, "a handler's call failed");
	/* A call that does not return fails the test and does not hang it. */
	if (aborts <= (ABORTS + 1) * (trial.len / MIN_CHUNK + 2))
		return true;
	failed(step, ip, "the call goes on after too many aborts");
	return false;
}

static int chunk_cmp(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

/* Are no 16 bytes zeros, or the same as others? */
static bool is_unique(const uint8_t *out, size_t len)
{
	static const uint8_t zero[16];
	static uint8_t sorted[MAX_CALL];
	const size_t n = len / 16;

	memcpy(sorted, out, len);
	qsort(sorted, n, 16, chunk_cmp);
	for (size_t i = 0; i < n; i++)
		if (!memcmp(sorted + 16 * i, zero, 16) ||
		    (i && !memcmp(sorted + 16 * i, sorted + 16 * (i - 1), 16)))
			return false;
	return true;
}

static unsigned long fallbacks, served;

static const char *end_call(unsigned long every)
{
	const struct mock_request *last;

	aborts = 0;
	if (step_trial(abort_each, &every) != (ssize_t)trial.len || trial.nfailed)
		return trial.nfailed ? trial.why : "the call failed";
	if (!caller_is_intact())
		return "the caller's registers have changed";
	last = mock_request(mock_count() - 1);
	if (last->buffer != trial.out) {
		served++;
		if (!is_unique(trial.out, trial.len))
			return "the call returned zeros, or the same bytes twice";
	} else {
		fallbacks++;
		if (aborts <= ABORTS)
			return "the call made the system call too early";
		if (last->len != trial.len || last->flags != trial.flags ||
		    memcmp(trial.out, last->bytes, trial.len < 4096 ? trial.len : 4096))
			return "the system call was not for the request";
	}
	if (testbed.state->owner)
		return "the call left the state locked";
	if (testbed_call(trial.out, 8, 0) != 8 ||
	    (last != mock_request(mock_count() - 1) && !mock_request(mock_count() - 1)->is_key))
		return "the next call made the system call";
	return NULL;
}

/* It takes a tenth of this, if calls end. */
TEST_F_TIMEOUT(abort, every_call_ends, 300)
{
	static const size_t lens[] = { 4, 33, 2000, MAX_CALL };

	for (unsigned long every = 1; every < 100000; every += 1 + every / 2 * sample_every) {
		for (size_t k = 0; k < 2 * 3 * ARRAY_SIZE(lens); k++) {
			const char *why;

			set_trial(k / 2 / ARRAY_SIZE(lens), lens[k % ARRAY_SIZE(lens)]);
			if (trial.len == MAX_CALL && trial.start != PARTLY_USED)
				continue;
			trial.flags = GRND_NONBLOCK;
			handlers_call = k / ARRAY_SIZE(lens) % 2;
			why = end_call(every);
			EXPECT_EQ(NULL, why) {
				TH_LOG("%zu bytes, %s, every %lu steps, handlers %s: %s",
				       trial.len, start_names[trial.start], every,
				       handlers_call ? "call" : "do not call", why);
			}
		}
	}
	EXPECT_LT(0, fallbacks);
	EXPECT_LT(0, served);
	TH_LOG("%lu calls made the system call, %lu did not", fallbacks, served);
}

/*
 * A handler interrupts a request of several chunks, and forks; or makes such a request itself
 * before or after it forks, in one process or both. Or the page is dropped. No two calls may
 * return the same bytes, whichever chunk has been made before, and none those of a key of zeros.
 */
#define MAX_CALLS	8

static struct calls {
	unsigned int n;
	unsigned int finished;
	uint8_t interrupted[MAX_CALL];	/* the buffer, when the signal came */
	struct {
		size_t len;
		uint8_t out[MAX_CALL];
	} calls[MAX_CALLS];
} *shared;

static const struct handler {
	const char *name;
	bool drops, calls, forks, child_calls, parent_calls;
} handlers[] = {
	{ .name = "drop", .drops = true },
	{ .name = "drop, then call", .drops = true, .calls = true },
	{ .name = "fork", .forks = true },
	{ .name = "call", .calls = true },
	{ .name = "call, then fork", .calls = true, .forks = true },
	{ .name = "fork, both call", .forks = true, .child_calls = true, .parent_calls = true },
	{ .name = "fork, child calls", .forks = true, .child_calls = true },
};

static struct {
	const struct handler *handler;
	unsigned long early_aborts;	/* make the first chunks small */
	size_t inner_len;
	unsigned long every;		/* in cores */
	bool in_copy;
	unsigned long tried;
	unsigned long kept;	/* results with a chunk from before the signal */
	unsigned long complete;	/* signals after the call was complete */
} chunks;

static void add_call(const uint8_t *out, size_t len)
{
	const unsigned int n = __atomic_fetch_add(&shared->n, 1, __ATOMIC_RELAXED);

	shared->calls[n].len = len;
	memcpy(shared->calls[n].out, out, len);
}

static void call_in_handler(void)
{
	static uint8_t out[MAX_CALL];

	if (testbed_call(out, chunks.inner_len, 0) != (ssize_t)chunks.inner_len)
		_exit(1);
	add_call(out, chunks.inner_len);
}

/* In a copy of the process. Each process then finishes the interrupted call. */
static void handle_signal(void)
{
	const struct handler *h = chunks.handler;
	int status = 0;
	pid_t pid;

	if (h->drops)
		testbed_drop();
	if (h->calls || h->forks)
		step_abort(-EINTR);
	if (h->calls)
		call_in_handler();
	if (!h->forks)
		return;
	pid = fork();
	if (!pid) {
		testbed_drop();
		if (h->child_calls)
			call_in_handler();
		return;
	}
	/* One process at a time: the record of calls is shared. */
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		_exit(1);
	if (h->parent_calls)
		call_in_handler();
}

static const char *check_calls(void)
{
	static const uint8_t no_key[VGETRANDOM_KEY_SIZE];
	size_t where;

	if (shared->finished != 1U + chunks.handler->forks)
		return "a call did not return, or failed";
	/* The parent finishes last. If the call was complete, the child returns it, too. */
	if (!memcmp(shared->calls[shared->n - 1].out, shared->interrupted, trial.len)) {
		chunks.complete++;
		shared->n--;
	}
	secrets_clear();
	secrets_add_output(no_key, SECRET_BLOCKS);
	for (unsigned int i = 0; i < shared->n; i++) {
		if (!is_unique(shared->calls[i].out, shared->calls[i].len))
			return "a call returned zeros, or the same bytes twice";
		if (secrets_found(shared->calls[i].out, shared->calls[i].len, &where))
			return "two calls returned the same bytes, or one those of no key";
		secrets_add(shared->calls[i].out, shared->calls[i].len);
	}
	return secrets_complete() ? NULL : "too many bytes to check";
}

static bool interrupt_chunks(unsigned long step, const void *ip, void *arg)
{
	const unsigned int requests = mock_count();
	const char *why;
	int status;
	pid_t pid;

	(void)arg;
	if (chunks.early_aborts) {
		chunks.early_aborts -= step_abort(-EINTR);
		return true;
	}
	if (is_skipped(step, ip, chunks.every))
		return true;
	shared->n = 0;
	shared->finished = 0;
	memcpy(shared->interrupted, trial.out, trial.len);
	pid = testbed_fork();
	if (!pid) {
		chunks.in_copy = true;
		handle_signal();
		return false;
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
		failed(step, ip, "a process failed");
		return true;
	}
	chunks.tried++;
	chunks.kept += shared->n && !memcmp(shared->calls[shared->n - 1].out, trial.out, 128);
	why = check_calls();
	if (why)
		failed(step, ip, why);
	mock->count = requests;
	return true;
}

static void explore_chunks(struct __test_metadata *_metadata, const struct handler *handler,
			   enum start start, size_t len, unsigned long early_aborts,
			   unsigned long every)
{
	ssize_t ret;

	set_trial(start, len);
	memset(&chunks, 0, sizeof(chunks));
	chunks.handler = handler;
	chunks.early_aborts = early_aborts;
	chunks.every = every;
	chunks.inner_len = early_aborts ? 40 : len;
	ret = step_trial(interrupt_chunks, NULL);
	if (chunks.in_copy) {
		if (ret != (ssize_t)len || !testbed_canaries_ok() || !caller_is_intact())
			_exit(1);
		add_call(trial.out, len);
		shared->finished++;
		_exit(0);
	}
	EXPECT_EQ((ssize_t)len, ret);
	EXPECT_LT(0, chunks.tried);
	/* The parent keeps the chunks that it has: it does not start over. */
	EXPECT_TRUE(handler->drops || chunks.kept > chunks.complete);
	EXPECT_GE(MAX_TAIL, chunks.complete);
	EXPECT_EQ(0, trial.nfailed) {
		TH_LOG("%zu bytes, %s, %s: %lu of %lu fail, first %s", len, start_names[start],
		       handler->name, trial.nfailed, chunks.tried, trial.why);
	}
}

TEST_F_TIMEOUT(abort, handlers_in_requests_of_several_chunks, LIMIT)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, shared);
	for (size_t h = 0; h < ARRAY_SIZE(handlers); h++) {
		/* After three aborts, chunks of 192, 960 and 4032 bytes. */
		explore_chunks(_metadata, &handlers[h], EMPTY, 1500, 3, 16);
		explore_chunks(_metadata, &handlers[h], FULL_BATCH, 1500, 3, 16);
		explore_chunks(_metadata, &handlers[h], PARTLY_USED, MAX_CALL, 0, 1024);
	}
}

TEST_HARNESS_MAIN
