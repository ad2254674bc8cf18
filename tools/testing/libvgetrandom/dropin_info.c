/* SPDX-License-Identifier: MIT */
/*
 * A program that uses libvgetrandom's header. It compiles as C90 and as C++98. It prints the
 * result of vgetrandom_info(), with a word and a value on each line.
 */
#include <stdio.h>
#include <string.h>
#include <vgetrandom.h>

static const char *name_of(enum vgetrandom_way way)
{
	switch (way) {
	case VGETRANDOM_SYSCALL: return "syscall";
	case VGETRANDOM_VDSO: return "vdso";
	case VGETRANDOM_EXPAND: return "expand";
	case VGETRANDOM_MODULE: return "module";
	}
	return "?";
}

int main(void)
{
	struct vgetrandom_info info;
	unsigned char bytes[16];
	void *state;

	memset(&info, 0, sizeof(info));
	vgetrandom_info(&info, sizeof(info));
	printf("version %s\n", info.version);
	printf("vdso %s\n", info.vdso ? "yes" : "no");
	printf("state_size %lu\n", (unsigned long)info.state_size);
	printf("states %lu\n", (unsigned long)info.states);
	printf("droppable %d\n", info.droppable);
	printf("small %s\n", name_of(info.small));
	printf("small_why %s\n", info.small_why);
	printf("large %s\n", name_of(info.large));
	printf("large_why %s\n", info.large_why);
	printf("large_from %lu\n", (unsigned long)info.large_from);
	printf("core %s\n", info.core ? info.core : "none");
	printf("module_why %s\n", info.module_why ? info.module_why : "none");

	state = vgetrandom_alloc();
	printf("alloc %s\n", state ? "yes" : "no");
	vgetrandom_free(state);
	if (vgetrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
		perror("vgetrandom");
		return 1;
	}
	return 0;
}
