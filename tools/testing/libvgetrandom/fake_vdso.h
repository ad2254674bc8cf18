/* SPDX-License-Identifier: MIT */
/*
 * What a fake vDSO (see fake_vdso.c) and the tests that run with it agree on.
 */
#ifndef _FAKE_VDSO_H
#define _FAKE_VDSO_H

/* As the length of a state: store the address of struct fake_vdso at the buffer. */
#define FAKE_VDSO_CONTROL	(~0UL - 1)

/* Each state begins with this. */
struct fake_state {
	unsigned long	thread;		/* that is in a call, or 0 */
	unsigned long	depth;		/* how many of its calls are */
	unsigned long	calls;
};

struct fake_vdso {
	/* What happened. */
	unsigned long	calls;		/* not queries */
	unsigned long	keys;		/* of those, for 32 bytes */
	unsigned long	longest;	/* of the requests' lengths */
	unsigned long	shared;		/* a state was in use by two threads at once */
	unsigned long	misplaced;	/* a state that is not aligned, or straddles pages */
	unsigned long	wrong_size;	/* a state of another size than ours */
	unsigned long	null_state;

	/* What is to happen. */
	long		answer;		/* a negative errno instead of bytes */
	unsigned long	answers;	/* to so many calls; ~0 is all */
	unsigned long	at_most;	/* bytes in a call, unless 0 */
	int		fixed;		/* bytes are all 'k' */
	int		spin;		/* iterations in a call, for others to come by */
	void		(*hook)(void);	/* called in the middle of a call */
};

#endif /* _FAKE_VDSO_H */
