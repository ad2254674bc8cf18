/* SPDX-License-Identifier: MIT */
/*
 * The interface between the fake vDSO (fake_vdso.c) and tests.
 */
#ifndef _FAKE_VDSO_H
#define _FAKE_VDSO_H

/* As the size of a state: write the address of struct fake_vdso to the buffer. */
#define FAKE_VDSO_CONTROL	(~0UL - 1)

/* Each state begins with this struct. */
struct fake_state {
	unsigned long	thread;		/* the thread that uses the state, or 0 */
	unsigned long	depth;		/* number of its calls under way */
	unsigned long	calls;
};

struct fake_vdso {
	/* Records. */
	unsigned long	calls;		/* without queries */
	unsigned long	keys;		/* calls for 32 bytes */
	unsigned long	longest;	/* length of the longest request */
	unsigned long	shared;		/* a state was in use by two threads at once */
	unsigned long	misplaced;	/* a state was not aligned, or straddled pages */
	unsigned long	wrong_size;	/* @size was not STATE_SIZE */
	unsigned long	null_state;	/* @state was NULL */

	/* Orders. */
	long		answer;		/* negative error number to return */
	unsigned long	answers;	/* number of calls that return @answer; ~0: all */
	unsigned long	at_most;	/* maximum number of bytes per call; 0: no maximum */
	int		fixed;		/* fill the buffer with 'k' */
	int		spin;		/* delay in each call, so that calls overlap */
	void		(*hook)(void);	/* called in the middle of a call */
};

#endif /* _FAKE_VDSO_H */
