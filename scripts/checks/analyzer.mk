# SPDX-License-Identifier: MIT
#
# The C files that no Makefile of ours builds; for analyzer.
#
#	CC	the compiler that looks at them
#	LINUX	our kernel tree, which has the selftests
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

# The harness comes back from a skipped setup by longjmp(), and does not run the test.
$(OUT)/$(TESTS)/vm/droppable_device.o: FLAGS += -Wno-analyzer-null-dereference

# As scripts/vm builds it: what init cannot do it cannot report either.
$(OUT)/scripts/vm-init.o: FLAGS += -Wno-unused-result

$(others:%=$(OUT)/%.o): $(OUT)/%.o: $(TOP)/%.c
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -Wextra -c $< -o $@

.PHONY: all
