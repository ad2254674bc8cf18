# SPDX-License-Identifier: MIT
#
# For ../../Makefile: how the library is built for x86-64.

# What is not glibc finds a thread's variables by descriptors; see thread.h.
ARCH_FLAGS	:= -mtls-dialect=gnu2
