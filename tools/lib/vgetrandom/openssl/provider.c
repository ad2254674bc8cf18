// SPDX-License-Identifier: MIT
/*
 * A provider for OpenSSL 3.0 and later, whose generator CTR-DRBG draws from libvgetrandom. See
 * vgetrandom-openssl(7).
 *
 * It uses no symbol of libcrypto. A program may have loaded libcrypto with RTLD_LOCAL, or may
 * have several copies of it. Pointers from one copy are used only by that copy's provider.
 */
#include <errno.h>
#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "raw.h"
#include "vgetrandom.h"

#define STRENGTH	256U
#define MAX_REQUEST	(1U << 30)

enum { NO_BYTES = 1 };

struct provider {
	const OSSL_CORE_HANDLE		*core;
	OSSL_FUNC_core_new_error_fn	*new_error;
	OSSL_FUNC_core_vset_error_fn	*set_error;
};

/* A context of EVP_RAND. The library has the state of the generator, one for each thread. */
struct context {
	const struct provider	*provider;
	int			state;
};

__attribute__((format(printf, 2, 3)))
static void report(const struct provider *provider, const char *format, ...)
{
	va_list args;

	if (!provider->new_error || !provider->set_error)
		return;
	provider->new_error(provider->core);
	va_start(args, format);
	provider->set_error(provider->core, NO_BYTES, format, args);
	va_end(args);
}

/* Stores @number in the size of the caller's buffer. */
static int put(OSSL_PARAM *param, uint64_t number)
{
	if (param->data_size == sizeof(uint32_t))
		*(uint32_t *)param->data = (uint32_t)number;
	else if (param->data_size == sizeof(uint64_t))
		*(uint64_t *)param->data = number;
	else
		return 0;
	param->return_size = param->data_size;
	return 1;
}

static void *newctx(void *provider, void *parent, const OSSL_DISPATCH *parent_functions)
{
	struct context *context = calloc(1, sizeof(*context));

	/* libcrypto offers a parent to seed from. The kernel seeds this generator. */
	(void)parent;
	(void)parent_functions;
	if (context)
		context->provider = provider;
	return context;
}

static void freectx(void *context)
{
	free(context);
}

static int instantiate(void *context, unsigned int strength, int prediction_resistance,
		       const unsigned char *personal, size_t personal_len, const OSSL_PARAM *params)
{
	(void)prediction_resistance;
	(void)personal;
	(void)personal_len;
	(void)params;
	if (strength > STRENGTH)
		return 0;
	((struct context *)context)->state = EVP_RAND_STATE_READY;
	return 1;
}

static int uninstantiate(void *context)
{
	((struct context *)context)->state = EVP_RAND_STATE_UNINITIALISED;
	return 1;
}

/*
 * Like vgetrandom(). With prediction resistance it makes the system call, because then nothing in
 * the memory of this process reveals the bytes.
 */
static ssize_t draw(unsigned char *out, size_t len, int prediction_resistance)
{
	ssize_t got;

	if (!prediction_resistance)
		return vgetrandom(out, len, 0);
	got = raw_syscall(SYS_getrandom, out, len, 0);
	if (got >= 0)
		return got;
	errno = (int)-got;
	return -1;
}

static int generate(void *ctx, unsigned char *out, size_t len, unsigned int strength,
		    int prediction_resistance, const unsigned char *input, size_t input_len)
{
	struct context *context = ctx;
	ssize_t got;

	(void)input;
	(void)input_len;
	if (context->state != EVP_RAND_STATE_READY || strength > STRENGTH)
		return 0;
	while (len) {
		got = draw(out, len, prediction_resistance);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			report(context->provider, "getrandom: %s", strerror(got ? errno : EIO));
			return 0;
		}
		out += got;
		len -= (size_t)got;
	}
	return 1;
}

static void clear_seed(void *context, unsigned char *seed, size_t len)
{
	(void)context;
	explicit_bzero(seed, len);
	free(seed);
}

/* Seeds a generator of the program that has this one as its parent. */
static size_t get_seed(void *context, unsigned char **seed, int entropy, size_t min_len,
		       size_t max_len, int prediction_resistance, const unsigned char *input,
		       size_t input_len)
{
	size_t len = ((size_t)entropy + 7) / 8;

	if (len < min_len)
		len = min_len;
	if (len > max_len)
		return 0;
	*seed = malloc(len);
	if (!*seed)
		return 0;
	if (generate(context, *seed, len, STRENGTH, prediction_resistance, input, input_len))
		return len;
	clear_seed(context, *seed, len);
	return 0;
}

/* No lock is needed: each thread has its own state. */
static int enable_locking(void *context)
{
	(void)context;
	return 1;
}

static int get_ctx_params(void *context, OSSL_PARAM params[])
{
	int done = 1;

	for (; done && params->key; params++)
		/* The most frequent: libcrypto reads it for each request. */
		if (!strcmp(params->key, OSSL_RAND_PARAM_MAX_REQUEST))
			done = put(params, MAX_REQUEST);
		else if (!strcmp(params->key, OSSL_RAND_PARAM_STRENGTH))
			done = put(params, STRENGTH);
		else if (!strcmp(params->key, OSSL_RAND_PARAM_STATE))
			done = put(params, (uint64_t)((struct context *)context)->state);
	return done;
}

#define FUNCTION(number, name)	{ number, (void (*)(void))(name) }

/* Without a reseed function, libcrypto treats reseeds and added entropy as successful. */
static const OSSL_DISPATCH rand_functions[] = {
	FUNCTION(OSSL_FUNC_RAND_NEWCTX, newctx),
	FUNCTION(OSSL_FUNC_RAND_FREECTX, freectx),
	FUNCTION(OSSL_FUNC_RAND_INSTANTIATE, instantiate),
	FUNCTION(OSSL_FUNC_RAND_UNINSTANTIATE, uninstantiate),
	FUNCTION(OSSL_FUNC_RAND_GENERATE, generate),
	FUNCTION(OSSL_FUNC_RAND_GET_SEED, get_seed),
	FUNCTION(OSSL_FUNC_RAND_CLEAR_SEED, clear_seed),
	FUNCTION(OSSL_FUNC_RAND_ENABLE_LOCKING, enable_locking),
	FUNCTION(OSSL_FUNC_RAND_GET_CTX_PARAMS, get_ctx_params),
	{ 0, NULL }
};

/*
 * The algorithm has the name of OpenSSL's default. So a configuration only states a preference
 * for this provider, and works without it. The algorithm has no second name, because libcrypto
 * would apply that to the default provider's algorithm too.
 */
static const OSSL_ALGORITHM algorithms[] = {
	{ "CTR-DRBG", "provider=vgetrandom", rand_functions, "libvgetrandom" },
	{ NULL, NULL, NULL, NULL }
};

static const OSSL_ALGORITHM *query_operation(void *provider, int operation, int *no_cache)
{
	(void)provider;
	*no_cache = 0;
	return operation == OSSL_OP_RAND ? algorithms : NULL;
}

static void put_text(OSSL_PARAM *param, const char *text)
{
	*(const char **)param->data = text;
	param->return_size = strlen(text);
}

static int get_params(void *provider, OSSL_PARAM params[])
{
	int done = 1;

	(void)provider;
	for (; done && params->key; params++)
		if (!strcmp(params->key, OSSL_PROV_PARAM_NAME))
			put_text(params, "libvgetrandom");
		else if (!strcmp(params->key, OSSL_PROV_PARAM_VERSION))
			put_text(params, VERSION);
		else if (!strcmp(params->key, OSSL_PROV_PARAM_STATUS))
			done = put(params, 1);
	return done;
}

static const OSSL_ITEM *get_reason_strings(void *provider)
{
	static const OSSL_ITEM reasons[] = {
		{ NO_BYTES, (char *)"the kernel returns no random bytes" },
		{ 0, NULL }
	};

	(void)provider;
	return reasons;
}

static const OSSL_DISPATCH provider_functions[] = {
	FUNCTION(OSSL_FUNC_PROVIDER_TEARDOWN, free),
	FUNCTION(OSSL_FUNC_PROVIDER_GET_PARAMS, get_params),
	FUNCTION(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query_operation),
	FUNCTION(OSSL_FUNC_PROVIDER_GET_REASON_STRINGS, get_reason_strings),
	{ 0, NULL }
};

__attribute__((visibility("default")))
OSSL_provider_init_fn OSSL_provider_init;

int OSSL_provider_init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in,
		       const OSSL_DISPATCH **out, void **ctx)
{
	struct provider *provider = calloc(1, sizeof(*provider));

	if (!provider)
		return 0;
	provider->core = core;
	for (; in->function_id; in++) {
		if (in->function_id == OSSL_FUNC_CORE_NEW_ERROR)
			provider->new_error = OSSL_FUNC_core_new_error(in);
		else if (in->function_id == OSSL_FUNC_CORE_VSET_ERROR)
			provider->set_error = OSSL_FUNC_core_vset_error(in);
	}
	*out = provider_functions;
	*ctx = provider;
	return 1;
}
