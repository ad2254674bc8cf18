# SPDX-License-Identifier: MIT
#
# For ../../Makefile: how the library is built for x86-64.

# What is not glibc finds a thread's variables by descriptors; see thread.h.
ARCH_FLAGS	:= -mtls-dialect=gnu2

# Pages have one size.
$(OUT)/config.shared.o: FLAGS += -DIN_RELRO

# With the generator, as the vDSO's is built: see arch/x86/entry/vdso/Makefile.patch.
ARCH_GENERATOR	:= generator
$(OUT)/vgetrandom.o: FLAGS += -mgeneral-regs-only -fomit-frame-pointer -falign-functions=64 \
	-Wa,-mbranches-within-32B-boundaries

# musl runs the destructors of a thread that is cancelled asynchronously on its stack as it is then,
# aligned or not.
$(OUT)/thread.o $(OUT)/pool.o: FLAGS += -mgeneral-regs-only
