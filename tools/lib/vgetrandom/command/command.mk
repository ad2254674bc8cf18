# SPDX-License-Identifier: MIT
#
# How the command `vgetrandom` is made; for ../Makefile, which sets
#
#	OUT SRC CC FLAGS CPPFLAGS CFLAGS LDFLAGS	as it does for the library
#	VERSION SONAME	what is compiled in
#	LIBDIR		likewise (see ../install.mk): where `run` looks for the library last
#
# The library is linked in, so that `info` and `bench` need nothing. `run` needs the
# shared one.

COMMAND_SOURCES	:= $(addprefix $(SRC)/command/,main.c run.c count.c show.c bench.c openssl.c program.c \
		   elf_facts.c library.c json.c) $(SRC)/vdso.c
COMMAND_HEADERS	:= $(addprefix $(SRC)/command/,command.h program.h elf_facts.h \
		   count.h counts.h) \
		   $(SRC)/vgetrandom.h
COMMAND_FLAGS	 = $(filter-out -M%,$(FLAGS)) -D_FILE_OFFSET_BITS=64 -DVERSION='"$(VERSION)"' \
		   -DSONAME='"$(SONAME)"' \
		   -DCOUNTING='"$(COUNTING)"' -DLIBDIR='"$(LIBDIR)"'

COUNTING := libvgetrandom-count.so
counting := $(OUT)/$(COUNTING)

all: $(OUT)/vgetrandom $(counting)

# Wants functions as they are: not what fortified headers make of them.
$(counting): $(SRC)/command/counting.c $(SRC)/command/counting.map $(SRC)/command/counts.h \
	     $(SRC)/thread.h $(SRC)/vgetrandom.h $(OUT)/syscall.o
	$(CC) $(filter-out -M%,$(FLAGS)) $(CPPFLAGS) $(CFLAGS) -U_FORTIFY_SOURCE $(LDFLAGS) \
		-shared -Wl,-soname,$(@F) -Wl,--version-script,$(SRC)/command/counting.map \
		-Wl,-z,nodelete,-z,now,-z,relro,-z,defs -Bsymbolic-functions -o $@ \
		$(SRC)/command/counting.c $(OUT)/syscall.o -pthread -ldl

# Changes only when what is compiled in does: `make install PREFIX=...` may come after a
# `make` without.
$(OUT)/command.flags: FORCE
	@mkdir -p $(OUT)
	@printf '%s\n' $(COMMAND_FLAGS) >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# -ldl: for C libraries that have dlopen() in a library of its own.
$(OUT)/vgetrandom: $(COMMAND_SOURCES) $(COMMAND_HEADERS) $(OUT)/libvgetrandom.a \
		   $(OUT)/command.flags
	$(CC) $(COMMAND_FLAGS) $(CPPFLAGS) $(CFLAGS) -I$(SRC) $(COMMAND_SOURCES) \
		$(OUT)/libvgetrandom.a $(LDFLAGS) -pthread -ldl -lm -o $@

FORCE:
.PHONY: all FORCE
