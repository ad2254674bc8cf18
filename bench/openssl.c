// SPDX-License-Identifier: MIT
/*
 * OpenSSL's ChaCha20.
 *
 * What is measured is EVP_EncryptUpdate() in place: OpenSSL makes key stream and
 * XORs it to the buffer. It has no function that stores key stream alone; to read
 * the buffer first, which the last call has left in the cache, is the least that
 * can be added to that. The key stays, and the stream goes on with each call.
 *
 * Which instructions OpenSSL uses is settled when libcrypto is loaded, by the
 * variable OPENSSL_ia32cap (OPENSSL_ia32cap(3)). So it is loaded once for each
 * instruction set, into a namespace of its own: all take turns in one process.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <dlfcn.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openssl.h"
#include "step.h"

#define MIN_BYTES	256	/* for less, the cost of EVP's layers is most of it */

#define EBX_AVX2	(1U << 5)
#define EBX_AVX512F	(1U << 16)
#define EBX_AVX512VL	(1U << 31)
#define ECX_SSSE3	(1ULL << 41)

/**
 * struct mode - an instruction set, and how OpenSSL is made to use it
 * @core: its name
 * @without: bits of CPUID 7's EBX that are not to be seen
 * @feature: a name for the compiler's runtime: who lacks it, cannot run this
 * @encoding: the last of its instructions' encodings
 * @without_ssse3: nor SSSE3
 */
struct mode {
	const char	*core;
	unsigned int	without;
	const char	*feature;
	enum encoding	encoding;
	bool		without_ssse3;
};

/*
 * OpenSSL hides AVX512F from itself on the first processors that have it: there
 * "avx512" is what it does not do unless it is told to. It has no code for SSE2:
 * without SSSE3 it makes one block at a time, without vectors.
 */
static const struct mode modes[] = {
	{ "avx512",	0,				"avx512", ENCODING_ZMM,    false },
	{ "avx512vl",	EBX_AVX512F,			"avx512", ENCODING_EVEX,   false },
	{ "avx2",	EBX_AVX512F | EBX_AVX512VL,	"avx2",   ENCODING_VEX,    false },
	{ "ssse3",	~0U,				"ssse3",  ENCODING_LEGACY, false },
	{ "sse2",	~0U,				"sse2",   ENCODING_LEGACY, true },
};

size_t openssl_nr(void)
{
	return ARRAY_SIZE(modes);
}

#if __has_include(<openssl/evp.h>)

#include <openssl/crypto.h>
#include <openssl/evp.h>

#define STRING(x)	STRING_(x)
#define STRING_(x)	#x
#define LIBRARY		"libcrypto.so." STRING(OPENSSL_SHLIB_VERSION)

struct cipher {
	typeof(EVP_EncryptUpdate)	*update;
	EVP_CIPHER_CTX			*ctx;
	int				out_len;
};

static bool runs_here(const struct mode *mode)
{
	/* The names have to be constants. */
	if (!strcmp(mode->feature, "avx512"))
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
	if (!strcmp(mode->feature, "avx2"))
		return __builtin_cpu_supports("avx2");
	if (!strcmp(mode->feature, "ssse3"))
		return __builtin_cpu_supports("ssse3");
	return true;
}

static void set_mask(const struct mode *mode)
{
	unsigned int eax, ebx = 0, ecx, edx;
	char mask[64];

	__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx);
	snprintf(mask, sizeof(mask), "~0x%llx:0x%x",
		 mode->without_ssse3 ? ECX_SSSE3 : 0, ebx & ~mode->without);
	if (setenv("OPENSSL_ia32cap", mask, 1))
		err(1, "setenv");
}

static void *symbol(void *library, const char *name)
{
	void *found = dlsym(library, name);

	if (!found)
		errx(1, LIBRARY ": no symbol %s", name);
	return found;
}

#define SYMBOL(library, name)	((typeof(name) *)symbol(library, #name))

static unsigned long run_openssl(const struct contender *contender, unsigned int thread,
				 void *buffer, size_t len, unsigned long calls)
{
	struct cipher *cipher = contender->data;
	unsigned long failed = 0;

	(void)thread;
	while (calls--)
		failed += !cipher->update(cipher->ctx, buffer, &cipher->out_len, buffer, len);
	return failed;
}

static void describe_openssl(const struct contender *contender, void *buffer, size_t len,
			     struct call *call)
{
	struct cipher *cipher = contender->data;

	*call = (struct call) {
		.fn = cipher->update,
		.arguments = { (long)cipher->ctx, (long)buffer, (long)&cipher->out_len,
			       (long)buffer, len },
	};
}

static void start(void *library, struct cipher *cipher)
{
	static const unsigned char zeros[32];

	cipher->update = SYMBOL(library, EVP_EncryptUpdate);
	cipher->ctx = SYMBOL(library, EVP_CIPHER_CTX_new)();
	if (!cipher->ctx ||
	    !SYMBOL(library, EVP_EncryptInit_ex)(cipher->ctx, SYMBOL(library, EVP_chacha20)(),
						 NULL, zeros, zeros))
		errx(1, LIBRARY ": it has no ChaCha20");
}

/* The first block for a key, a nonce and a counter of zeros: RFC 8439, A.1, 1. */
static void check(const struct contender *contender)
{
	static const unsigned char expected[64] = {
		0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90,
		0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28,
		0xbd, 0xd2, 0x19, 0xb8, 0xa0, 0x8d, 0xed, 0x1a,
		0xa8, 0x36, 0xef, 0xcc, 0x8b, 0x77, 0x0d, 0xc7,
		0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48, 0x8d,
		0x77, 0x24, 0xe0, 0x3f, 0xb8, 0xd8, 0x4a, 0x37,
		0x6a, 0x43, 0xb8, 0xf4, 0x15, 0x18, 0xa1, 0x1c,
		0xc3, 0x87, 0xb6, 0x69, 0xb2, 0xee, 0x65, 0x86,
	};
	static unsigned char first[4096];
	unsigned char out[sizeof(first)] = { 0 };

	if (run_openssl(contender, 0, out, sizeof(out), 1) ||
	    memcmp(out, expected, sizeof(expected)))
		errx(1, "%s, %s: it does not make ChaCha20's key stream",
		     contender->impl, contender->core);
	/* And the others like the first: this one does not begin with a zero. */
	if (!first[0])
		memcpy(first, out, sizeof(first));
	if (memcmp(first, out, sizeof(first)))
		errx(1, "%s, %s: its key stream is not that of another instruction set",
		     contender->impl, contender->core);
}

/* Another version may have other ideas of what its mask means. */
static void check_encoding(struct contender *contender, const struct mode *mode)
{
	static unsigned char buffer[4096];
	struct step_result result;
	struct call call;

	describe_openssl(contender, buffer, sizeof(buffer), &call);
	step_call(&call, &result);
	if (result.encoding != mode->encoding)
		contender->absent = "this version cannot be made to use just that";
}

static void load(struct contender *contender, const struct mode *mode)
{
	void *library;

	set_mask(mode);
	library = dlmopen(LM_ID_NEWLM, LIBRARY, RTLD_NOW);
	unsetenv("OPENSSL_ia32cap");
	if (!library) {
		contender->absent = strdup(dlerror());
		return;
	}
	/* It would clean up at exit, in a namespace that is half gone by then. */
	SYMBOL(library, OPENSSL_init_crypto)(OPENSSL_INIT_NO_ATEXIT, NULL);

	contender->data = calloc(1, sizeof(struct cipher));
	if (!contender->data)
		err(1, "calloc");
	contender->run = run_openssl;
	contender->describe = describe_openssl;
	start(library, contender->data);
	check(contender);
	check_encoding(contender, mode);
}

#else

static bool runs_here(const struct mode *mode)
{
	(void)mode;
	return true;
}

static void load(struct contender *contender, const struct mode *mode)
{
	(void)mode;
	contender->absent = "OpenSSL's headers were not there at build time (libssl-dev)";
}

#endif

void openssl_open(struct contender *contender, size_t index, const char *image)
{
	const struct mode *mode = &modes[index];

	*contender = (struct contender) {
		.impl = "openssl-chacha20", .core = mode->core,
		.min_bytes = MIN_BYTES, .max_threads = 1,
	};
	if (!image)
		contender->absent = "it is measured natively only";
	else if (!runs_here(mode))
		contender->absent = "this processor, or its kernel, cannot run it";
	else
		load(contender, mode);
}
