// SPDX-License-Identifier: MIT
/*
 * vgetrandom openssl: add the provider to OpenSSL's configuration, or remove it; see
 * vgetrandom-openssl(7).
 *
 * libcrypto parses the file and reports which provider it draws from. It is loaded at run time,
 * so that the command does not depend on it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"

#define MAX_FILE	(1 << 20)
/* The first newline ends the last line of a file that lacks it. */
#define BEGIN		"\n# Begin of the block added by 'vgetrandom openssl on'; " \
			"'vgetrandom openssl off' removes it\n"
#define END		"# End of the block added by 'vgetrandom openssl on'\n"

/* OpenSSL's CONF, OPENSSL_STACK and CONF_VALUE; OPENSSL_sk_value() returns the last. */
struct conf;
struct stack;
struct conf_value {
	char	*section, *name, *value;
};

static struct conf	*(*NCONF_new)(void *method);
static int		(*NCONF_load)(struct conf *conf, const char *path, long *line);
static char		*(*NCONF_get_string)(struct conf *conf, const char *section,
					     const char *name);
static struct stack	*(*NCONF_get_section)(struct conf *conf, const char *section);
static int		(*OPENSSL_sk_num)(struct stack *stack);
static void		*(*OPENSSL_sk_value)(struct stack *stack, int i);
static char		*(*CONF_get1_default_config_file)(void);
static const char	*(*OpenSSL_version)(int what);
static void		*(*OSSL_LIB_CTX_new)(void);
static int		(*OSSL_LIB_CTX_load_config)(void *context, const char *path);
static void		(*OSSL_LIB_CTX_free)(void *context);
static int		(*OSSL_PROVIDER_available)(void *context, const char *name);
static int		(*RAND_bytes)(unsigned char *buf, int len);
static void		*(*RAND_get0_public)(void *context);
static void		*(*EVP_RAND_CTX_get0_rand)(void *rand_context);
static void		*(*EVP_RAND_get0_provider)(void *rand);
static const char	*(*OSSL_PROVIDER_get0_name)(void *provider);

static void load_libcrypto(void)
{
	static const struct {
		const char	*name;
		void		*function;
	} functions[] = {
#define FUNCTION(name)	{ #name, &(name) }
		FUNCTION(NCONF_new),
		FUNCTION(NCONF_load),
		FUNCTION(NCONF_get_string),
		FUNCTION(NCONF_get_section),
		FUNCTION(OPENSSL_sk_num),
		FUNCTION(OPENSSL_sk_value),
		FUNCTION(CONF_get1_default_config_file),
		FUNCTION(OpenSSL_version),
		FUNCTION(OSSL_LIB_CTX_new),
		FUNCTION(OSSL_LIB_CTX_load_config),
		FUNCTION(OSSL_LIB_CTX_free),
		FUNCTION(OSSL_PROVIDER_available),
		FUNCTION(RAND_bytes),
		FUNCTION(RAND_get0_public),
		FUNCTION(EVP_RAND_CTX_get0_rand),
		FUNCTION(EVP_RAND_get0_provider),
		FUNCTION(OSSL_PROVIDER_get0_name),
	};
	void *library = dlopen(LIBCRYPTO, RTLD_NOW), *found;
	size_t i;

	if (!library)
		errx(1, "%s: cannot be loaded: %s; install OpenSSL 3.0 or later", LIBCRYPTO,
		     dlerror());
	for (i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		found = dlsym(library, functions[i].name);
		if (!found)
			errx(1, "%s: has no %s(); install OpenSSL 3.0 or later", LIBCRYPTO,
			     functions[i].name);
		memcpy(functions[i].function, &found, sizeof(found));
	}
}

/* Returns the provider that libcrypto draws from with this configuration; NULL if it fails. */
static const char *get_random_provider(const char *path)
{
	unsigned char byte;
	void *rand;

	/* libcrypto reads the configuration once, when it is first used. */
	if (setenv("OPENSSL_CONF", path, 1))
		err(1, "OPENSSL_CONF");
	if (RAND_bytes(&byte, sizeof(byte)) != 1)
		return NULL;
	rand = EVP_RAND_CTX_get0_rand(RAND_get0_public(NULL));
	return OSSL_PROVIDER_get0_name(EVP_RAND_get0_provider(rand));
}

static bool is_available(const char *path, const char *provider)
{
	void *context = OSSL_LIB_CTX_new();
	bool found;

	if (!context)
		err(1, "%s", path);
	/* Like a program, ignore errors and use what was loaded. */
	OSSL_LIB_CTX_load_config(context, path);
	found = OSSL_PROVIDER_available(context, provider);
	OSSL_LIB_CTX_free(context);
	return found;
}

/* Returns a provider that is available with the configuration @old but not with @new, or NULL. */
static const char *find_lost_provider(const char *old, const char *new)
{
	static const char * const providers[] = { "default", "base", "legacy", "fips", NULL };
	const char * const *provider;

	for (provider = providers; *provider; provider++)
		if (is_available(old, *provider) && !is_available(new, *provider))
			break;
	return *provider;
}

static bool is_vgetrandom(const char *provider)
{
	return provider && !strcmp(provider, "vgetrandom");
}

struct file {
	char		path[PATH_MAX];
	struct stat	st;
	char		*text;
	size_t		len;
	char		*begin, *end;	/* the block that "on" added; or NULL */
};

static struct file read_file(const char *path)
{
	struct file file = { };
	FILE *in;

	if (!realpath(path, file.path) || stat(file.path, &file.st)) {
		if (errno == ENOENT)
			errx(1, "%s: not found; install openssl, or name another file", path);
		err(1, "%s", path);
	}
	if (!S_ISREG(file.st.st_mode) || file.st.st_size > MAX_FILE)
		errx(1, "%s: not a configuration file; name another", file.path);
	in = fopen(file.path, "re");
	file.text = malloc(MAX_FILE + 2);
	if (!in || !file.text)
		err(1, "%s", file.path);
	file.len = fread(file.text, 1, MAX_FILE + 1, in);
	if (ferror(in))
		err(1, "%s", file.path);
	fclose(in);
	file.text[file.len] = '\0';
	if (strlen(file.text) != file.len || file.len > MAX_FILE)
		errx(1, "%s: not a configuration file; name another", file.path);
	file.begin = strstr(file.text, BEGIN);
	file.end = strstr(file.text, END);
	if (!file.begin != !file.end || file.end < file.begin ||
	    (file.begin && (strstr(file.begin + 1, BEGIN) || strstr(file.end + 1, END))))
		errx(1, "%s: the block added by 'vgetrandom openssl on' is incomplete; remove it by hand",
		     file.path);
	if (file.end)
		file.end += strlen(END);
	return file;
}

/* Renames @new, which is complete, to @file. */
static void replace(const struct file *file, const char *new)
{
	if (!rename(new, file->path))
		return;
	warn("%s: cannot be replaced", file->path);
	unlink(new);
	exit(1);
}

/* Returns the name of a new file beside @file, so that rename() is atomic. */
static char *write_new(const struct file *file, const char *text, size_t len)
{
	char *path;
	FILE *out;
	int fd;

	if (asprintf(&path, "%s.XXXXXX", file->path) < 0)
		err(1, "%s", file->path);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		err(1, "%s: cannot create a new file beside it", file->path);
	out = fdopen(fd, "w");
	if (!out || fwrite(text, 1, len, out) != len || fflush(out) ||
	    fchown(fd, file->st.st_uid, file->st.st_gid) || fchmod(fd, file->st.st_mode) ||
	    fsync(fd) || fclose(out)) {
		warn("%s: cannot be written", path);
		unlink(path);
		exit(1);
	}
	return path;
}

static void write_section(FILE *out, const char *name)
{
	fprintf(out, "[%s]\n", name);
}

/*
 * If a configuration names a provider, OpenSSL does not load the default provider. So name that
 * as well, unless the file itself activates providers.
 */
static void add_provider(FILE *out, const struct file *file, struct conf *conf,
			 const char *providers)
{
	struct stack *named = NCONF_get_section(conf, providers);
	const char *standard = NULL;
	bool is_active = false;
	int i;

	for (i = 0; named && i < OPENSSL_sk_num(named); i++) {
		const struct conf_value *provider = OPENSSL_sk_value(named, i);

		if (is_vgetrandom(provider->name))
			errx(1, "%s: already has a provider vgetrandom, in section [%s]; remove it by hand",
			     file->path, providers);
		if (!strcmp(provider->name, "default"))
			standard = provider->value;
		is_active |= !!NCONF_get_string(conf, provider->value, "activate");
	}
	if (!is_active && standard) {
		write_section(out, standard);
		fputs("activate = 1\n", out);
	}
	write_section(out, providers);
	if (!is_active && !standard)
		fputs("default = vgetrandom_default\n", out);
	fputs("vgetrandom = vgetrandom_module\n", out);
}

/* @root names the first section that a program reads, unless that section is @done. */
static void add_root(FILE *out, const struct file *file, struct conf *conf, const char *root,
		     const char *done)
{
	const char *init = NCONF_get_string(conf, NULL, root), *providers;

	if (!init) {
		write_section(out, "default");
		fprintf(out, "%s = vgetrandom_init\n", root);
		return;
	}
	if (done && !strcmp(init, done))
		return;
	if (NCONF_get_string(conf, init, "random"))
		errx(1, "%s: already configures a random generator, 'random' in section [%s]; remove it by hand",
		     file->path, init);
	providers = NCONF_get_string(conf, init, "providers");
	write_section(out, init);
	fputs("random = vgetrandom_random\n", out);
	if (providers)
		add_provider(out, file, conf, providers);
	else
		fputs("providers = vgetrandom_providers\n", out);
}

/* OpenSSL merges sections of the same name, and the last value of a name counts. */
static void add(FILE *out, const struct file *file, const char *module)
{
	struct conf *conf = NCONF_new(NULL);
	long line = 0;

	if (!conf || NCONF_load(conf, file->path, &line) <= 0)
		errx(1, "%s: libcrypto cannot read line %ld; correct it", file->path, line);
	if (file->len && file->text[file->len - 1] == '\\')
		errx(1, "%s: the last line ends with a backslash; correct it", file->path);
	fputs(BEGIN, out);
	add_root(out, file, conf, "openssl_conf", NULL);
	/* Node.js */
	add_root(out, file, conf, "nodejs_conf", NCONF_get_string(conf, NULL, "openssl_conf"));
	fprintf(out,
		"[vgetrandom_init]\n"
		"random = vgetrandom_random\n"
		"providers = vgetrandom_providers\n"
		"[vgetrandom_providers]\n"
		"default = vgetrandom_default\n"
		"vgetrandom = vgetrandom_module\n"
		"[vgetrandom_default]\n"
		"activate = 1\n"
		"[vgetrandom_module]\n"
		"module = %s\n"
		"activate = 1\n"
		"[vgetrandom_random]\n"
		"properties = ?provider=vgetrandom\n"
		END, module);
}

static void find_module(char *path, size_t size)
{
	if (!library_find("", "ossl-modules/vgetrandom.so", path, size))
		errx(1, "%s: not found; install openssl-provider-vgetrandom", path);
	if (!dlopen(path, RTLD_NOW))
		errx(1, "%s", dlerror());
	if (strpbrk(path, "\\$#'\" \t\n"))
		errx(1, "%s: OpenSSL's configuration cannot name this path; install it elsewhere",
		     path);
}

static int turn_on(const char *path)
{
	struct file file = read_file(path);
	char module[PATH_MAX], *text, *new;
	const char *source, *lost;
	size_t len;
	FILE *out;

	if (file.begin)
		errx(1, "%s: already on; see 'vgetrandom openssl status'", file.path);
	find_module(module, sizeof(module));
	out = open_memstream(&text, &len);
	if (!out || fwrite(file.text, 1, file.len, out) != file.len)
		err(1, "%s", file.path);
	add(out, &file, module);
	if (fclose(out))
		err(1, "%s", file.path);
	new = write_new(&file, text, len);
	lost = find_lost_provider(file.path, new);
	source = get_random_provider(new);
	if (lost) {
		unlink(new);
		errx(1, "%s: unchanged; programs would lose the provider %s, which no line activates",
		     file.path, lost);
	}
	if (!is_vgetrandom(source)) {
		unlink(new);
		errx(1, "%s: unchanged; with %s, programs would still draw from %s%s",
		     file.path, module, source ? "the provider " : "no provider",
		     source ? source : "");
	}
	replace(&file, new);
	printf("%s: on; programs that start from now on draw from libvgetrandom\n", file.path);
	return 0;
}

static int turn_off(const char *path)
{
	struct file file = read_file(path);

	if (!file.begin)
		errx(1, "%s: already off", file.path);
	memmove(file.begin, file.end, file.len + 1 - (size_t)(file.end - file.text));
	replace(&file, write_new(&file, file.text, strlen(file.text)));
	printf("%s: off; programs that start from now on draw from OpenSSL's generator\n",
	       file.path);
	return 0;
}

/* If the module that the file names cannot be loaded, prints why. */
static void show_load_error(const struct file *file)
{
	const char *module = NULL;
	struct conf *conf = NCONF_new(NULL);

	if (conf && NCONF_load(conf, file->path, NULL) > 0)
		module = NCONF_get_string(conf, "vgetrandom_module", "module");
	if (module && !dlopen(module, RTLD_NOW))
		printf("%-16s%s\n", "", dlerror());
}

static int status(const char *path)
{
	struct file file = read_file(path);
	const char *source = get_random_provider(path);

	printf("%-16s%s\n", "libcrypto", OpenSSL_version(0));
	printf("%-16s%s: %s\n", "configuration", file.path, file.begin ? "on" : "off");
	printf("%-16s%s%s\n", "random bytes", source ? "from the provider " : "none: libcrypto fails",
	       source ? source : "");
	if (file.begin && !is_vgetrandom(source))
		show_load_error(&file);
	return !is_vgetrandom(source);
}

int command_openssl(const struct arguments *args)
{
	static const struct {
		const char	*name;
		int		(*run)(const char *path);
	} actions[] = {
		{ "on",		turn_on },
		{ "off",	turn_off },
		{ "status",	status },
	};
	char **operands = args->operands;
	const char *path;
	size_t i;

	if (args->nr_operands < 1 || args->nr_operands > 2)
		errx(EXIT_USAGE, "openssl: give 'on', 'off' or 'status', and at most one file; see 'vgetrandom help openssl'");
	for (i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		if (strcmp(operands[0], actions[i].name))
			continue;
		load_libcrypto();
		path = operands[1] ? operands[1] : CONF_get1_default_config_file();
		if (!path)
			err(1, "openssl.cnf");
		return actions[i].run(path);
	}
	errx(EXIT_USAGE, "%s: unexpected argument; see 'vgetrandom help openssl'", operands[0]);
}
