/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of an arena of pages, for random operations on droppable and ordinary
 * memory: droppable_model.c. Each operation changes the arena and the model, and
 * the two are compared.
 */
#ifndef _DROPPABLE_MODEL_H
#define _DROPPABLE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

#define ARENA		((uint8_t *)0x200000000000)
#define PAGES		3072			/* six huge pages */
#define PAGE		4096
#define WORDS		(PAGE / 8)
#define HUGE_PAGES	512
#define MAX_LAYERS	6

/* Flags of a page's mapping, in the order of attr_names[]. smaps shows all but the last. */
enum {
	A_READ		= 1 << 0,
	A_WRITE		= 1 << 1,
	A_LOCKED	= 1 << 2,
	A_NOFORK	= 1 << 3,
	A_NORESERVE	= 1 << 4,
	A_WIPE		= 1 << 5,
	A_NODUMP	= 1 << 6,
	A_HUGE		= 1 << 7,
	A_NOHUGE	= 1 << 8,
	A_MERGE		= 1 << 9,
	A_DROPPABLE	= 1 << 10,
	A_IN_SMAPS	= (1 << 11) - 1,
	A_ONFAULT	= 1 << 11,
};

/* One write to page @id, with number @version: words @first to @last, in ascending order. */
struct layer {
	uint32_t version;
	uint16_t id, first, last;
};

/*
 * Word k of layer i was written at time i * WORDS + k. A page that was dropped at
 * time t holds zeros and what was written from t on.
 *
 * The last check was at time @seen, and found that the page was dropped at time
 * @dropped; 0 is never. Since then, a droppable page may have been dropped at any time.
 * An ordinary page may be dropped between MADV_FREE and the next write: bit i of @freed
 * stands for an MADV_FREE before layer i.
 */
struct page {
	uint16_t attr;
	bool mapped;
	bool ever_freed;	/* ordinary, but may not be swap backed */
	uint8_t pin;		/* number + 1 of the pipe that pins it: not dropped */
	uint8_t freed;
	uint8_t nr;		/* number of layers */
	uint16_t dropped, seen;
	struct layer layer[MAX_LAYERS];
};

struct range {
	int first, nr;
};

struct counts {
	long writes, drops, lazy_frees, partial_drops, pinned, forks, swapped;
};

extern struct page pages[PAGES];
extern struct counts counts;
extern bool in_child, newer_kernel, strict;
extern unsigned int lock_future;	/* attributes that mlockall() gives new mappings */

/* droppable_model.c */
uint32_t rnd(uint32_t below);
struct range pick_any(void);
struct range pick_mapped(void);
void log_event(const char *fmt, ...);
noreturn void fail(const char *fmt, ...);
void report_missing(const char *what);
void child_operations(void);

static inline uint8_t *at(int page)
{
	return ARENA + (long)page * PAGE;
}

/* droppable_model_page.c: contents of pages */
void init_key(uint64_t seed);
void init_child_versions(void);
void make_page(uint64_t *words, int page, const struct layer *layer);
struct layer new_layer(int page, int first, int last);
void record_write(struct page *p, const struct layer *layer);
void write_words(int page, int first, int last);
void forget_contents(struct page *p);
void check_page(int page);
void check_range(struct range r);

/* droppable_model_page.c: the kernel's information about them */
bool mapping_of(int page, int *first, int *end);
long check_smaps(void);
void op_check_smaps(void);
void op_check_flags(void);
void op_check_swap(void);
void op_check_all(void);

/* droppable_model_map.c: operations on mappings */
void op_mmap(void);
void op_refused_mmap(void);
void op_munmap(void);
void op_mprotect(void);
void op_madvise(void);
void op_mlock(void);
void op_mlockall(void);
void op_mremap_resize(void);
void op_mremap_move(void);

/* droppable_model_use.c: operations on pages */
void op_read(void);
void op_write(void);
void op_write_words(void);
void op_poke(void);
void op_child_writes(void);
void op_fork(void);
void op_wait(void);
void op_pin(void);
void op_unpin(void);
void init_child(void);
uint8_t *locked_buffer(void);
void wait_child(void);

/* droppable_model_use.c: memory pressure and migration */
void init_stress(void);
void op_reclaim(void);
void op_limit(void);
void op_global_pressure(void);
void op_move_pages(void);
void op_migrate_pages(void);
void op_compact(void);

#endif /* _DROPPABLE_MODEL_H */
