// SPDX-License-Identifier: MIT
/*
 * libcrypto's functions for random bytes with the provider "vgetrandom". OPENSSL_CONF names a
 * configuration in which `vgetrandom openssl on` has enabled it.
 *
 * The program is not linked with the library: libcrypto loads it with the provider's module. The
 * module calls this program's vgetrandom(), which counts and then calls the library's.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test.h"

static atomic_ulong requests, bytes;
static bool is_interrupted;

ssize_t vgetrandom(void *buf, size_t len, unsigned int flags)
{
	static ssize_t (*library)(void *buf, size_t len, unsigned int flags);

	if (!library) {
		void *handle = dlopen("libvgetrandom.so.0", RTLD_NOW | RTLD_NOLOAD);

		check(handle, "%s", dlerror());
		*(void **)&library = dlsym(handle, "vgetrandom");
		check(library);
	}
	atomic_fetch_add(&requests, 1);
	if (is_interrupted && atomic_load(&requests) % 2) {
		errno = EINTR;
		return -1;
	}
	if (is_interrupted && len > 3)
		len = 3;
	atomic_fetch_add(&bytes, len);
	return library(buf, len, flags);
}

static const char *provider_of(EVP_RAND_CTX *ctx)
{
	check(ctx);
	return OSSL_PROVIDER_get0_name(EVP_RAND_get0_provider(EVP_RAND_CTX_get0_rand(ctx)));
}

/* Draw @len bytes with @fill: they must be new, and all come from the library. */
static void draw_from_library(int (*fill)(unsigned char *buf, int len), int len)
{
	unsigned char buf[1000] = { 0 };
	unsigned long before = atomic_load(&bytes);

	check(fill(buf, len) == 1);
	check(atomic_load(&bytes) - before == (unsigned long)len);
	test_unseen(buf, (size_t)len);
}

TEST(all_bytes_come_from_the_library)
{
	test_unseen_init();
	for (int i = 0; i < 1000; i++) {
		draw_from_library(RAND_bytes, 16);
		draw_from_library(RAND_priv_bytes, 16);
	}
	draw_from_library(RAND_bytes, 1000);
	check(!strcmp(provider_of(RAND_get0_primary(NULL)), "vgetrandom"));
	check(!strcmp(provider_of(RAND_get0_public(NULL)), "vgetrandom"));
	check(!strcmp(provider_of(RAND_get0_private(NULL)), "vgetrandom"));
}

TEST(keys_come_from_the_library)
{
	EVP_PKEY *key;
	unsigned long before;

	before = atomic_load(&bytes);
	key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	check(key && atomic_load(&bytes) - before >= 32);
	EVP_PKEY_free(key);
}

TEST(interrupted_and_short_results_are_continued)
{
	unsigned char buf[100] = { 0 }, zeros[4] = { 0 };

	is_interrupted = true;
	check(RAND_bytes(buf, sizeof(buf)) == 1);
	check(atomic_load(&bytes) == sizeof(buf));
	for (size_t i = 0; i + sizeof(zeros) <= sizeof(buf); i += sizeof(zeros))
		check(memcmp(buf + i, zeros, sizeof(zeros)));
}

TEST(added_entropy_and_reseeds_succeed_and_change_nothing)
{
	EVP_RAND_CTX *ctx = RAND_get0_public(NULL);
	unsigned char buf[32] = { 0 }, input[32] = { 0 };
	unsigned long before;

	test_unseen_init();
	check(RAND_status() == 1);
	before = atomic_load(&requests);
	RAND_add(buf, sizeof(buf), sizeof(buf));
	RAND_seed(buf, sizeof(buf));
	check(RAND_poll() == 1);
	check(EVP_RAND_reseed(ctx, 0, NULL, 0, buf, sizeof(buf)) == 1);
	check(EVP_RAND_reseed(ctx, 1, buf, sizeof(buf), NULL, 0) == 1);
	check(atomic_load(&requests) == before && RAND_status() == 1);
	draw_from_library(RAND_bytes, 32);
	/* Additional input changes nothing either. */
	for (int i = 0; i < 2; i++) {
		check(EVP_RAND_generate(ctx, buf, sizeof(buf), 256, 0, input, sizeof(input)) == 1);
		test_unseen(buf, sizeof(buf));
	}
}

static const int getrandom_only[] = { SYS_getrandom, -1 };

TEST(prediction_resistance_uses_the_system_call)
{
	EVP_RAND_CTX *ctx = RAND_get0_public(NULL);
	unsigned char buf[32] = { 0 };
	const char *data = NULL;
	unsigned long before;
	int flags;

	test_unseen_init();
	draw_from_library(RAND_bytes, 16);
	before = atomic_load(&requests);
	for (int i = 0; i < 3; i++) {
		check(EVP_RAND_generate(ctx, buf, sizeof(buf), 256, 1, NULL, 0) == 1);
		test_unseen(buf, sizeof(buf));
	}
	check(atomic_load(&requests) == before);
	/* If the system call fails, an error is queued. */
	test_filter(getrandom_only, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW);
	check(EVP_RAND_generate(ctx, buf, sizeof(buf), 256, 1, NULL, 0) == 0);
	check(ERR_get_error_all(NULL, NULL, NULL, &data, &flags));
	check(data && strstr(data, "getrandom: Operation not permitted"), "%s", data);
}

TEST(an_uninstantiated_context_returns_no_bytes)
{
	EVP_RAND *rand = EVP_RAND_fetch(NULL, "CTR-DRBG", "provider=vgetrandom");
	EVP_RAND_CTX *ctx = EVP_RAND_CTX_new(rand, NULL);
	unsigned char buf[16];

	check(EVP_RAND_get_state(ctx) == EVP_RAND_STATE_UNINITIALISED);
	check(EVP_RAND_generate(ctx, buf, sizeof(buf), 0, 0, NULL, 0) == 0);
	check(EVP_RAND_instantiate(ctx, 257, 0, NULL, 0, NULL) == 0);
	check(EVP_RAND_instantiate(ctx, 256, 0, NULL, 0, NULL) == 1);
	check(EVP_RAND_get_state(ctx) == EVP_RAND_STATE_READY);
	check(EVP_RAND_get_strength(ctx) == 256);
	check(EVP_RAND_generate(ctx, buf, sizeof(buf), 257, 0, NULL, 0) == 0);
	check(EVP_RAND_generate(ctx, buf, sizeof(buf), 256, 0, NULL, 0) == 1);
	check(EVP_RAND_uninstantiate(ctx) == 1);
	check(EVP_RAND_generate(ctx, buf, sizeof(buf), 0, 0, NULL, 0) == 0);
	EVP_RAND_CTX_free(ctx);
	EVP_RAND_free(rand);
}

static void draw_from_default(OSSL_LIB_CTX *ctx)
{
	unsigned char buf[16];

	check(RAND_bytes_ex(ctx, buf, sizeof(buf), 0) == 1);
	check(RAND_priv_bytes_ex(ctx, buf, sizeof(buf), 0) == 1);
	check(!strcmp(provider_of(RAND_get0_public(ctx)), "default"));
	check(!atomic_load(&requests));
}

TEST(a_different_generator_that_the_program_sets_is_openssl_s)
{
	check(RAND_set_DRBG_type(NULL, "HASH-DRBG", NULL, NULL, "SHA2-512") == 1);
	draw_from_default(NULL);
	check(EVP_RAND_is_a(EVP_RAND_CTX_get0_rand(RAND_get0_public(NULL)), "HASH-DRBG"));
}

TEST(the_same_generator_set_without_a_provider_is_openssl_s)
{
	check(OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL) == 1);
	check(RAND_set_DRBG_type(NULL, "CTR-DRBG", NULL, "AES-256-CTR", NULL) == 1);
	draw_from_default(NULL);
}

TEST(a_program_can_select_the_vgetrandom_provider)
{
	check(OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL) == 1);
	check(RAND_set_DRBG_type(NULL, "CTR-DRBG", "provider=vgetrandom", NULL, NULL) == 1);
	draw_from_library(RAND_bytes, 16);
}

TEST(a_private_context_uses_the_provider_if_it_loads_the_configuration)
{
	OSSL_LIB_CTX *ctx = OSSL_LIB_CTX_new();
	unsigned char buf[16];

	draw_from_default(ctx);
	OSSL_LIB_CTX_free(ctx);
	ctx = OSSL_LIB_CTX_new();
	check(OSSL_LIB_CTX_load_config(ctx, getenv("OPENSSL_CONF")) == 1);
	check(RAND_bytes_ex(ctx, buf, sizeof(buf), 0) == 1);
	check(atomic_load(&bytes) == sizeof(buf));
	OSSL_LIB_CTX_free(ctx);
}

/* A DRBG that the program creates is seeded by the provider, and again when it reseeds. */
TEST(the_provider_may_seed_a_generator_of_openssl)
{
	EVP_RAND *rand = EVP_RAND_fetch(NULL, "HMAC-DRBG", NULL);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_DRBG_PARAM_MAC, (char *)"HMAC", 0),
		OSSL_PARAM_construct_utf8_string(OSSL_DRBG_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_end()
	};
	unsigned char buf[32] = { 0 };
	EVP_RAND_CTX *ctx;

	test_unseen_init();
	ctx = EVP_RAND_CTX_new(rand, RAND_get0_primary(NULL));
	check(EVP_RAND_instantiate(ctx, 256, 0, NULL, 0, params) == 1);
	check(atomic_load(&bytes) >= 32);
	for (int i = 0; i < 2; i++) {
		check(EVP_RAND_generate(ctx, buf, sizeof(buf), 256, i, NULL, 0) == 1);
		test_unseen(buf, sizeof(buf));
	}
	check(EVP_RAND_enable_locking(ctx) == 1);
	EVP_RAND_CTX_free(ctx);
	EVP_RAND_free(rand);
}

static void draw_in_child(void)
{
	for (int i = 0; i < 100; i++)
		draw_from_library(RAND_bytes, 32);
}

TEST(children_get_different_bytes)
{
	test_unseen_init();
	for (int i = 0; i < 5; i++) {
		draw_in_child();
		test_in_child(draw_in_child);
	}
}

static void *draw_in_thread(void *arg)
{
	unsigned char buf[32] = { 0 };

	for (int i = 0; i < 1000; i++) {
		check(RAND_bytes(buf, sizeof(buf)) == 1);
		test_unseen(buf, sizeof(buf));
	}
	return arg;
}

TEST(threads_get_different_bytes)
{
	test_unseen_init();
	test_run_threads(8, draw_in_thread, NULL);
	check(atomic_load(&bytes) == 8 * 1000 * 32);
}

/* The provider's module is missing: the configuration must have no effect. */
PART(openssl_uses_its_default_generator)
{
	draw_from_default(NULL);
}

/* OpenSSL's FIPS provider, with fips=yes in the configuration or set by the program. */
PART(fips_stays_openssl_s)
{
	unsigned char buf[16];

	check(EVP_default_properties_is_fips_enabled(NULL));
	check(RAND_bytes(buf, sizeof(buf)) == 1);
	check(!strcmp(provider_of(RAND_get0_primary(NULL)), "fips"));
	check(!strcmp(provider_of(RAND_get0_public(NULL)), "fips"));
	check(!strcmp(provider_of(RAND_get0_private(NULL)), "fips"));
	check(!atomic_load(&requests));
}

PART(fips_can_be_enabled_later)
{
	check(EVP_default_properties_enable_fips(NULL, 1) == 1);
	test_fips_stays_openssl_s.fn();
}
