// SPDX-License-Identifier: MIT
/*
 * The engine: starts workers, lets them measure in turns, and keeps the best of all rounds.
 * bench/run writes the plan, and makes tables of the figures.
 *
 * usage: bench ROUNDS SLICE_MS < PLAN > FIGURES
 *
 * A plan has these lines, with tabs between the words:
 *
 *	worker [NAME=VALUE]... COMMAND [ARGUMENT]...	the next worker; the first is 0
 *	time WORKER BYTES THREADS			how long a call takes, in ns
 *	least WORKER QUESTION BYTES			one of worker.h's questions; the
 *	median WORKER QUESTION BYTES			least or the median of all rounds, or
 *	once WORKER QUESTION BYTES			the answer of one
 *
 * FIGURES are JSON objects, one per line. First the description of each worker, {"worker": 0,
 * "hello": {...}}. Then {"figure": 0, "value": 12.3} for each other line of the plan, numbered
 * from 0, if its worker can run here and has an answer.
 *
 * Each round measures one slice of every figure, so that a temporary disturbance affects one
 * slice of many. The best slice of a figure counts, because noise only adds time. Each round
 * uses the next processor, so that a busy one does no harm. Two rounds of four run backwards,
 * so that no figure always follows the same one.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_WORDS	24

/* Environment variables that would change what a worker measures. */
static const char * const cleared_variables[] = {
	"LD_PRELOAD", "LD_LIBRARY_PATH", "GLIBC_TUNABLES", "OPENSSL_ia32cap",
	"OPENSSL_CONF", "OPENSSL_MODULES", "VGETRANDOM_CORE", "VGETRANDOM_LARGE",
	"VGETRANDOM_SYSCALL", NULL,
};

/**
 * struct worker - a process that measures
 * @in: its stdin, for requests
 * @out: its stdout, for answers
 * @pid: its process ID
 * @absent: it cannot measure its contender here
 */
struct worker {
	FILE	*in;
	FILE	*out;
	pid_t	pid;
	bool	absent;
};

enum kind { TIME, LEAST, MEDIAN, ONCE };

/**
 * struct figure - one thing to measure
 * @kind: which value counts
 * @worker: the worker that measures it
 * @question: a question of worker.h; NULL: the time of a call
 * @bytes: size of each call
 * @threads: number of threads that make calls at the same time
 * @calls: number of calls in a slice
 * @values: the value of each round
 * @nr_values: number of values
 */
struct figure {
	enum kind	kind;
	struct worker	*worker;
	char		*question;
	size_t		bytes;
	unsigned int	threads;
	unsigned long	calls;
	double		*values;
	unsigned int	nr_values;
};

static struct worker *workers;
static struct figure *figures;
static size_t nr_workers, nr_figures;

static void *grow_array(void *array, size_t nr, size_t size)
{
	array = reallocarray(array, nr + 1, size);
	if (!array)
		err(1, "no memory for %zu lines", nr + 1);
	memset((char *)array + nr * size, 0, size);
	return array;
}

static void __attribute__((noreturn)) exec_worker(char **words)
{
	const char *const *name;

	for (name = cleared_variables; *name; name++)
		unsetenv(*name);
	for (; *words && strchr(*words, '='); words++)
		putenv(*words);
	execvp(words[0], words);
	warn("%s", words[0]);
	_exit(127);
}

/* The worker ends when this process ends, because its stdin is closed. */
static void start_worker(char **words)
{
	struct worker *worker;
	int request[2], answer[2];
	char *line = NULL;
	size_t size;

	workers = grow_array(workers, nr_workers, sizeof(*workers));
	worker = &workers[nr_workers];
	if (pipe2(request, O_CLOEXEC) || pipe2(answer, O_CLOEXEC))
		err(1, "pipe");
	worker->pid = fork();
	if (worker->pid < 0)
		err(1, "fork");
	if (!worker->pid) {
		if (dup2(request[0], STDIN_FILENO) < 0 || dup2(answer[1], STDOUT_FILENO) < 0)
			err(127, "dup2");
		exec_worker(words);
	}
	close(request[0]);
	close(answer[1]);
	worker->in = fdopen(request[1], "w");
	worker->out = fdopen(answer[0], "r");
	if (!worker->in || !worker->out)
		err(1, "fdopen");
	setlinebuf(worker->in);
	if (getline(&line, &size, worker->out) < 0) {
		free(line);
		line = strdup("{\"absent\": \"its process did not start\"}");
	}
	worker->absent = strstr(line, "\"absent\": \"");
	line[strcspn(line, "\n")] = '\0';
	printf("{\"worker\": %zu, \"hello\": %s}\n", nr_workers++, line);
	free(line);
}

static unsigned long number(const char *word)
{
	char *end;
	unsigned long value = strtoul(word ? word : "", &end, 10);

	if (!word || *word < '0' || *word > '9' || *end)
		errx(2, "plan: '%s' is not a number", word ? word : "");
	return value;
}

static void add_figure(enum kind kind, char **words)
{
	struct figure *figure;
	size_t worker = number(words[0]);

	if (worker >= nr_workers)
		errx(2, "plan: worker %zu is not defined yet", worker);
	figures = grow_array(figures, nr_figures, sizeof(*figures));
	figure = &figures[nr_figures++];
	figure->kind = kind;
	/* An index for now: the array may still move. */
	figure->worker = (struct worker *)worker;
	if (kind == TIME) {
		figure->bytes = number(words[1]);
		figure->threads = number(words[2]);
	} else {
		figure->question = strdup(words[1]);
		figure->bytes = number(words[2]);
	}
}

static void read_plan(void)
{
	static const char * const kinds[] = { "time", "least", "median", "once" };
	char *line = NULL, *words[MAX_WORDS + 1], *next;
	size_t size, nr, i;

	while (getline(&line, &size, stdin) > 0) {
		line[strcspn(line, "\n")] = '\0';
		next = line;
		for (nr = 0; nr < MAX_WORDS && next; nr++)
			words[nr] = strsep(&next, "\t");
		words[nr] = NULL;
		if (!strcmp(words[0], "worker") && nr > 1) {
			start_worker(words + 1);
			continue;
		}
		for (i = 0; i < 4 && strcmp(words[0], kinds[i]); i++)
			;
		if (i == 4 || nr != 4)
			errx(2, "plan: invalid line '%s'", words[0]);
		add_figure(i, words + 1);
	}
	free(line);
	for (i = 0; i < nr_figures; i++)
		figures[i].worker = &workers[(size_t)figures[i].worker];
}

/* The processor after @cpu; the first one follows the last. */
static int next_cpu(int cpu)
{
	static cpu_set_t cpus;

	if (!CPU_COUNT(&cpus) && sched_getaffinity(0, sizeof(cpus), &cpus))
		err(1, "sched_getaffinity");
	do
		cpu = (cpu + 1) % CPU_SETSIZE;
	while (!CPU_ISSET(cpu, &cpus));
	return cpu;
}

/* The child of a launcher such as with_vdso; 0 if there is none. */
static pid_t first_child(pid_t pid)
{
	char path[64];
	FILE *file;
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%d", &child) != 1)
		child = 0;
	fclose(file);
	return child;
}

/* Pins a worker to @cpu, sends it a request, and reads the answer. */
static void ask(const struct figure *figure, int cpu, char *answer, size_t size)
{
	const struct worker *worker = figure->worker;
	pid_t pid = worker->pid;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(pid, sizeof(cpus), &cpus))
		err(1, "worker %zu has ended", worker - workers);
	while ((pid = first_child(pid)))
		sched_setaffinity(pid, sizeof(cpus), &cpus);
	if (figure->kind == TIME)
		fprintf(worker->in, "time %zu %lu %u %d\n", figure->bytes, figure->calls,
			figure->threads, cpu);
	else
		fprintf(worker->in, "ask %s %zu\n", figure->question, figure->bytes);
	if (!fgets(answer, size, worker->out))
		errx(1, "worker %zu has ended", worker - workers);
}

/* Returns the time per call; @thread_ns is the shortest that a thread measured. */
static double time_slice(const struct figure *figure, int cpu, double *thread_ns)
{
	unsigned long failed;
	char answer[128];
	double ns;

	ask(figure, cpu, answer, sizeof(answer));
	if (sscanf(answer, "%lf %lf %lu", &ns, thread_ns, &failed) != 3)
		errx(1, "worker %zu: invalid answer: %s", figure->worker - workers, answer);
	if (failed)
		errx(1, "worker %zu: %lu of %lu calls for %zu bytes returned less",
		     figure->worker - workers, failed, figure->calls, figure->bytes);
	*thread_ns /= figure->calls;
	return ns / figure->calls;
}

/* Quadruples the number of calls, because early calls take longer and the first much longer. */
static void calibrate(struct figure *figure, double slice_ns, int cpu)
{
	double ns = INFINITY, thread_ns;
	unsigned long wanted;

	/*
	 * Use the time of one thread: threads may not start together, and then the total
	 * time of a few calls does not predict that of many.
	 */
	figure->calls = 1;
	time_slice(figure, cpu, &thread_ns);
	for (; ; figure->calls *= 4) {
		time_slice(figure, cpu, &thread_ns);
		ns = fmin(ns, thread_ns);
		wanted = fmax(slice_ns / ns, 1);
		if (figure->calls * 4 >= wanted)
			break;
	}
	figure->calls = wanted;
}

static void measure(struct figure *figure, int cpu)
{
	char answer[128];
	double value;

	if (figure->worker->absent || (figure->kind == ONCE && figure->nr_values))
		return;
	if (figure->kind == TIME) {
		value = time_slice(figure, cpu, &(double){ 0 });
	} else {
		ask(figure, cpu, answer, sizeof(answer));
		value = strtod(answer, NULL);
		if (isnan(value))
			return;
	}
	figure->values[figure->nr_values++] = value;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void write_figure(size_t number)
{
	struct figure *figure = &figures[number];
	double *values = figure->values;

	if (!figure->nr_values)
		return;
	qsort(values, figure->nr_values, sizeof(*values), compare);
	printf("{\"figure\": %zu, \"value\": %.3f}\n", number,
	       values[figure->kind == MEDIAN ? figure->nr_values / 2 : 0]);
}

int main(int argc, char **argv)
{
	const unsigned int rounds = argc == 3 ? number(argv[1]) : 0;
	const double slice_ns = argc == 3 ? number(argv[2]) * 1e6 : 0;
	/* In a guest, both are the console. */
	const bool is_watched = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO);
	int cpu = next_cpu(-1);
	unsigned int round;
	size_t i;

	if (!rounds || !slice_ns)
		errx(2, "usage: bench ROUNDS SLICE_MS < PLAN > FIGURES; bench/run starts it");
	read_plan();
	for (i = 0; i < nr_figures; i++) {
		figures[i].values = calloc(rounds, sizeof(double));
		if (!figures[i].values)
			err(1, "no memory for %u rounds", rounds);
		if (figures[i].kind == TIME && !figures[i].worker->absent)
			calibrate(&figures[i], slice_ns, cpu);
	}
	for (round = 0; round < rounds; round++, cpu = next_cpu(cpu)) {
		if (is_watched)
			fprintf(stderr, "\rbench: round %u of %u ", round + 1, rounds);
		for (i = 0; i < nr_figures; i++)
			/* After calls with zmm registers, some processors are slow for a while. */
			measure(&figures[round & 2 ? nr_figures - 1 - i : i], cpu);
	}
	if (is_watched)
		fprintf(stderr, "\r%*s\r", 40, "");
	for (i = 0; i < nr_figures; i++)
		write_figure(i);
	if (fflush(stdout))
		err(1, "cannot write the figures");
	return 0;
}
