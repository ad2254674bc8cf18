# SPDX-License-Identifier: MIT
#
# Compiles the C files that no Makefile of this project builds; for analyzer.
#
#	CC	the compiler
#	LINUX	the patched kernel tree, which has the selftests
#	HEADERS	the kernel's headers for user space, installed
#	OUT	where the objects go

TOP	:= $(abspath $(dir $(lastword $(MAKEFILE_LIST)))/../..)
TESTS	:= tools/testing/selftests
FLAGS	:= -std=gnu11 -O2 -Wall -Werror

selftests := $(patsubst $(TOP)/%.c,%,$(wildcard $(TOP)/$(TESTS)/*/*.c))
others	:= scripts/vm-init bench/lazyfree

all: $(selftests:%=$(OUT)/%.o) $(others:%=$(OUT)/%.o)

$(selftests:%=$(OUT)/%.o): $(OUT)/%.o: $(LINUX)/%.c $(wildcard $(LINUX)/$(TESTS)/vDSO/*.h \
		$(LINUX)/$(TESTS)/vm/*.h $(LINUX)/$(TESTS)/*.h)
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -isystem $(HEADERS) -I$(LINUX) -idirafter $(LINUX)/include \
		-idirafter $(LINUX)/arch/x86/include $(shell pkg-config --cflags libsodium) -c $< -o $@

# The harness returns from a skipped setup by longjmp(), and does not run the test.
$(OUT)/$(TESTS)/vm/droppable_device.o: FLAGS += -Wno-analyzer-null-dereference

# The option of scripts/vm: init has no way to report these failures.
$(OUT)/scripts/vm-init.o: FLAGS += -Wno-unused-result

$(others:%=$(OUT)/%.o): $(OUT)/%.o: $(TOP)/%.c
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -Wextra -c $< -o $@

.PHONY: all
