// SPDX-License-Identifier: MIT
/*
 * OpenSSL's ChaCha20: not a generator, but the cipher for one.
 *
 * The calls are EVP_EncryptUpdate() in place: OpenSSL XORs keystream to the buffer. It has no
 * function that only stores keystream, so each call also reads the buffer, which is in the
 * cache from the last call. The key stays the same, and each call continues the stream.
 *
 * When libcrypto is loaded, the variable OPENSSL_ia32cap selects the instructions that it uses
 * (OPENSSL_ia32cap(3)).
 */
#include <cpuid.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "step.h"

#define LIBRARY		"libcrypto.so.3"

#define EBX_AVX2	(1U << 5)
#define EBX_AVX512F	(1U << 16)
#define EBX_AVX512VL	(1U << 31)
#define ECX_SSSE3	(1ULL << 41)

/*
 * Instruction sets, and the CPUID bits to hide so that OpenSSL uses exactly that one. It has
 * no SSE2 code: without SSSE3 it makes one block at a time, without vectors.
 */
static const struct mode {
	const char		*name;
	unsigned int		needs;		/* bits of CPUID 7's EBX */
	unsigned int		hidden;		/* likewise */
	unsigned long long	hidden_ecx;	/* bits of CPUID 1's ECX, from bit 32 on */
	enum encoding		encoding;	/* the widest encoding that its code uses */
} modes[] = {
	{ "avx512",	EBX_AVX512F | EBX_AVX512VL, 0,		0,	   ENCODING_ZMM },
	{ "avx512vl",	EBX_AVX512VL,	EBX_AVX512F,		0,	   ENCODING_EVEX },
	{ "avx2",	EBX_AVX2,	EBX_AVX512F | EBX_AVX512VL, 0,	   ENCODING_VEX },
	{ "ssse3",	0,		~0U,			0,	   ENCODING_LEGACY },
	{ "sse2",	0,		~0U,			ECX_SSSE3, ENCODING_LEGACY },
};

static void *context;
static int out_len;

CALLS(run_cipher, fn.cipher(context, buffer, &out_len, buffer, len))

static const struct mode *find_mode(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modes); i++)
		if (!strcmp(modes[i].name, name))
			return &modes[i];
	return NULL;
}

static bool hide(const struct mode *mode)
{
	unsigned int eax, ebx = 0, ecx, edx;
	char mask[64];

	__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx);
	snprintf(mask, sizeof(mask), "~0x%llx:0x%x", mode->hidden_ecx, ebx & ~mode->hidden);
	if (setenv("OPENSSL_ia32cap", mask, 1))
		err(1, "setenv");
	return (ebx & mode->needs) == mode->needs;
}

/* The first block with key, nonce and counter zero: RFC 8439, appendix A.1, vector 1. */
static void check(void)
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
	unsigned char out[4096] = { 0 };

	if (run_cipher(out, sizeof(out), 1) || memcmp(out, expected, sizeof(expected)))
		errx(1, LIBRARY ": the keystream differs from RFC 8439");
}

static void open_cipher(const char *name)
{
	static const unsigned char zeros[32];
	const struct mode *mode = find_mode(name);
	int (*init)(void *context, const void *type, void *engine, const unsigned char *key,
		    const unsigned char *iv);
	const void *(*chacha20)(void);
	void *(*new_context)(void);
	unsigned char *buffer;

	strcpy(hello.impl, "openssl-chacha20");
	snprintf(hello.core, sizeof(hello.core), "%s", name);
	if (!mode) {
		absent("OpenSSL has no code of this name");
		return;
	}
	if (!hide(mode))
		absent("the processor does not support it");
	new_context = symbol(LIBRARY, "EVP_CIPHER_CTX_new");
	chacha20 = symbol(LIBRARY, "EVP_chacha20");
	init = symbol(LIBRARY, "EVP_EncryptInit_ex");
	fn.address = symbol(LIBRARY, "EVP_EncryptUpdate");
	if (*hello.absent)
		return;
	context = new_context();
	if (!context || !init(context, chacha20(), NULL, zeros, zeros))
		errx(1, LIBRARY ": ChaCha20 is missing");
	check();
	/* The meaning of the mask may differ between versions. */
	buffer = calloc(1, 4096);
	if (buffer && step_call(run_cipher, buffer, 4096, NULL).encoding != mode->encoding)
		absent("this OpenSSL version ignores the selection of instructions");
	free(buffer);
}

CONTENDER(cipher, .name = "chacha20", .open = open_cipher, .run = run_cipher);
