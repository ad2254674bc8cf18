/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of an arena of pages, for random operations on droppable and ordinary
 * memory: droppable_model.c. What the kernel does to the arena is done to the
 * model as well, and the two are compared.
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

/* What smaps tells about the mapping of a page, in the order of attr_names[]. */
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

/* Words @first to @last were written, in this order, as version @version. */
struct layer {
	uint32_t version;
	uint16_t id, first, last;
};

/*
 * Word k of layer i was written at time i * WORDS + k. A page that was dropped at
 * time t holds what was written from t on, over zeros. It may have been dropped at
 * time @dropped, where 0 is never, as seen when it was looked at last; or after
 * that, if it is droppable, which was at time @seen; or, if it is ordinary, between
 * an MADV_FREE and the next write, which is bit i of @freed before layer i.
 */
struct page {
	uint16_t attr;
	bool mapped;
	bool ever_freed;	/* may be not swap backed, though ordinary */
	uint8_t pin;		/* held by a pipe, number + 1: is not dropped */
	uint8_t freed;
	uint8_t nr;		/* of layers */
	uint16_t dropped, seen;
	struct layer layer[MAX_LAYERS];
};

struct range {
	int first, nr;
};

struct counts {
	long writes, drops, frees_dropped, partial_drops, pinned, forks, swapped;
};

extern struct page pages[PAGES];
extern struct counts counts;
extern bool in_child, newer_kernel, strict;
extern unsigned int lock_future;	/* of mlockall(): attributes for new mappings */

/* droppable_model.c */
uint32_t rnd(uint32_t below);
struct range pick_any(void);
struct range pick_mapped(void);
void note(const char *fmt, ...);
noreturn void fail(const char *fmt, ...);
void lacks(const char *what);
void child_operations(void);

static inline uint8_t *at(int page)
{
	return ARENA + (long)page * PAGE;
}

/* droppable_model_page.c: contents */
void init_words(uint64_t seed);
void child_words(void);
void make_page(uint64_t *words, int page, const struct layer *layer);
struct layer new_layer(int page, int first, int last);
void record_write(struct page *p, const struct layer *layer);
void write_words(int page, int first, int last);
void forget_contents(struct page *p);
void check_page(int page);
void check_range(struct range r);

/* And what the kernel says about them. */
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
void become_child(void);
uint8_t *locked_buffer(void);
void wait_child(void);

/* And pressure and migration. */
void init_stress(void);
void op_reclaim(void);
void op_limit(void);
void op_global_pressure(void);
void op_move_pages(void);
void op_migrate_pages(void);
void op_compact(void);

#endif /* _DROPPABLE_MODEL_H */
