// SPDX-License-Identifier: MIT
/*
 * vgetrandom openssl: has OpenSSL's configuration use our provider, or not; see
 * vgetrandom-openssl(7).
 *
 * libcrypto itself parses the file, and says what it would draw from. It is loaded when this
 * runs, so that the command does not depend on it.
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
/* The empty line is for files whose last line has no end. */
#define BEGIN		"\n# Begin of what 'vgetrandom openssl on' has added; " \
			"'vgetrandom openssl off' removes it\n"
#define END		"# End of what 'vgetrandom openssl on' has added\n"

/* As the first two have it; the third is in a stack, as OPENSSL_sk_value() returns. */
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
		errx(1, "%s: cannot be loaded (%s); install OpenSSL 3.0 or later", LIBCRYPTO,
		     dlerror());
	for (i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		found = dlsym(library, functions[i].name);
		if (!found)
			errx(1, "%s: has no %s()", LIBCRYPTO, functions[i].name);
		memcpy(functions[i].function, &found, sizeof(found));
	}
}

/* The name of the provider that a program gets random bytes from; NULL if it gets none. */
static const char *source_of_bytes(const char *path)
{
	unsigned char byte;
	void *rand;

	/* libcrypto reads it once, when it is first asked for something. */
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
	/* If it fails, a program goes on with what there is. */
	OSSL_LIB_CTX_load_config(context, path);
	found = OSSL_PROVIDER_available(context, provider);
	OSSL_LIB_CTX_free(context);
	return found;
}

/* A provider that programs have with the configuration @old, and not with @new; or NULL. */
static const char *lost_provider(const char *old, const char *new)
{
	static const char * const providers[] = { "default", "base", "legacy", "fips", NULL };
	const char * const *provider;

	for (provider = providers; *provider; provider++)
		if (is_available(old, *provider) && !is_available(new, *provider))
			break;
	return *provider;
}

static bool is_ours(const char *provider)
{
	return provider && !strcmp(provider, "vgetrandom");
}

struct file {
	char		path[PATH_MAX];
	struct stat	st;
	char		*text;
	size_t		len;
	char		*begin, *end;	/* what we have added; or NULL */
};

static struct file read_file(const char *path)
{
	struct file file = { };
	FILE *in;

	if (!realpath(path, file.path) || stat(file.path, &file.st)) {
		if (errno == ENOENT)
			errx(1, "%s: is not there; install openssl, or name another file", path);
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
		errx(1, "%s: only a part is left of what 'vgetrandom openssl on' has added; remove that by hand",
		     file.path);
	if (file.end)
		file.end += strlen(END);
	return file;
}

/* @new is complete, and its name is not yet @file's. It has been tried if it says "on". */
static void replace(const struct file *file, const char *new)
{
	if (!rename(new, file->path))
		return;
	warn("%s: cannot be replaced", file->path);
	unlink(new);
	exit(1);
}

/* Beside @file, or rename() would not be atomic. Returns its name. */
static char *write_new(const struct file *file, const char *text, size_t len)
{
	char *path;
	FILE *out;
	int fd;

	if (asprintf(&path, "%s.XXXXXX", file->path) < 0)
		err(1, "%s", file->path);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		err(1, "%s: no new file can be made beside it", file->path);
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

static void section(FILE *out, const char *name)
{
	fprintf(out, "[%s]\n", name);
}

/*
 * A provider that is named in a configuration takes the place of the default one. So that has
 * to be named too, unless the file activates others of its own will.
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

		if (is_ours(provider->name))
			errx(1, "%s: has a provider vgetrandom already, in section [%s]; remove it by hand",
			     file->path, providers);
		if (!strcmp(provider->name, "default"))
			standard = provider->value;
		is_active |= !!NCONF_get_string(conf, provider->value, "activate");
	}
	if (!is_active && standard) {
		section(out, standard);
		fputs("activate = 1\n", out);
	}
	section(out, providers);
	if (!is_active && !standard)
		fputs("default = vgetrandom_default\n", out);
	fputs("vgetrandom = vgetrandom_module\n", out);
}

/* @root is what a program looks for first: the name of a section. */
static void add_root(FILE *out, const struct file *file, struct conf *conf, const char *root,
		     const char *done)
{
	const char *init = NCONF_get_string(conf, NULL, root), *providers;

	if (!init) {
		section(out, "default");
		fprintf(out, "%s = vgetrandom_init\n", root);
		return;
	}
	if (done && !strcmp(init, done))
		return;
	if (NCONF_get_string(conf, init, "random"))
		errx(1, "%s: configures a random generator already, 'random' in section [%s]; remove it by hand",
		     file->path, init);
	providers = NCONF_get_string(conf, init, "providers");
	section(out, init);
	fputs("random = vgetrandom_random\n", out);
	if (providers)
		add_provider(out, file, conf, providers);
	else
		fputs("providers = vgetrandom_providers\n", out);
}

/* A section or a name that is there already is continued: what is said last counts. */
static void add(FILE *out, const struct file *file, const char *module)
{
	struct conf *conf = NCONF_new(NULL);
	long line = 0;

	if (!conf || NCONF_load(conf, file->path, &line) <= 0)
		errx(1, "%s: libcrypto cannot read line %ld; correct it", file->path, line);
	if (file->len && file->text[file->len - 1] == '\\')
		errx(1, "%s: the last line is not complete; correct it", file->path);
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
		errx(1, "%s: cannot be found; install openssl-provider-vgetrandom", path);
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
		errx(1, "%s: is on already; see 'vgetrandom openssl status'", file.path);
	find_module(module, sizeof(module));
	out = open_memstream(&text, &len);
	if (!out || fwrite(file.text, 1, file.len, out) != file.len)
		err(1, "%s", file.path);
	add(out, &file, module);
	if (fclose(out))
		err(1, "%s", file.path);
	new = write_new(&file, text, len);
	lost = lost_provider(file.path, new);
	source = source_of_bytes(new);
	if (lost) {
		unlink(new);
		errx(1, "%s: unchanged; programs would lose the provider %s, which no line activates",
		     file.path, lost);
	}
	if (!is_ours(source)) {
		unlink(new);
		errx(1, "%s: unchanged; with %s, programs would still draw from the provider %s",
		     file.path, module, source ? source : "that fails");
	}
	replace(&file, new);
	printf("%s: on; programs that start from now on draw from libvgetrandom\n", file.path);
	return 0;
}

static int turn_off(const char *path)
{
	struct file file = read_file(path);

	if (!file.begin)
		errx(1, "%s: is off already", file.path);
	memmove(file.begin, file.end, file.len + 1 - (size_t)(file.end - file.text));
	replace(&file, write_new(&file, file.text, strlen(file.text)));
	printf("%s: off; programs that start from now on draw from OpenSSL's generator\n",
	       file.path);
	return 0;
}

/* Why is it not in effect, though the lines are there? A module that can be loaded is not why. */
static void explain(const struct file *file)
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
	const char *source = source_of_bytes(path);

	printf("%-16s%s\n", "libcrypto", OpenSSL_version(0));
	printf("%-16s%s: %s\n", "configuration", file.path, file.begin ? "on" : "off");
	printf("%-16s%s%s\n", "random bytes", source ? "from the provider " : "none: it fails",
	       source ? source : "");
	if (file.begin && !is_ours(source))
		explain(&file);
	return !is_ours(source);
}

int command_openssl(int argc, char **argv)
{
	static const struct option known[] = {
		{ "help",	no_argument,	NULL, 'h' },
		{ }
	};
	static const struct {
		const char	*name;
		int		(*run)(const char *path);
	} actions[] = {
		{ "on",		turn_on },
		{ "off",	turn_off },
		{ "status",	status },
	};
	const char *path;
	size_t i;

	next_option(argc, argv, "", known);
	argv += optind;
	argc -= optind;
	if (argc < 1 || argc > 2)
		errx(EXIT_USAGE, "openssl: neither 'on', 'off' nor 'status' with at most one file; see 'vgetrandom help openssl'");
	for (i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		if (strcmp(argv[0], actions[i].name))
			continue;
		load_libcrypto();
		path = argv[1] ? argv[1] : CONF_get1_default_config_file();
		if (!path)
			err(1, "openssl.cnf");
		return actions[i].run(path);
	}
	errx(EXIT_USAGE, "%s: unexpected argument; see 'vgetrandom help openssl'", argv[0]);
}
