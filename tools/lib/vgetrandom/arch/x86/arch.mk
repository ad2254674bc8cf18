# SPDX-License-Identifier: MIT
#
# For ../../Makefile: how the library is built for x86-64.

# Except with glibc, thread-local variables are accessed by descriptors; see thread.h.
ARCH_FLAGS	:= -mtls-dialect=gnu2

# The architecture has one page size, so the RELRO page can be made writable again: see config.c.
$(OUT)/config.shared.o: FLAGS += -DIN_RELRO

# The generator is compiled with the options of the vDSO's: arch/x86/entry/vdso/Makefile.patch.
ARCH_GENERATOR	:= generator
$(OUT)/vgetrandom.o: FLAGS += -mgeneral-regs-only -fomit-frame-pointer -falign-functions=64 \
	-Wa,-mbranches-within-32B-boundaries

# With musl, a thread that is cancelled asynchronously runs its destructors on an unaligned stack,
# so these files must not use vector instructions.
$(OUT)/thread.o $(OUT)/pool.o: FLAGS += -mgeneral-regs-only
