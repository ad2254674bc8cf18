# SPDX-License-Identifier: MIT
#
# Builds the command `vgetrandom` and the library that counts calls. ../Makefile includes this and
# sets
#
#	OUT SRC CC FLAGS CPPFLAGS CFLAGS LDFLAGS	as it does for the library
#	VERSION SONAME	compiled in
#	LIBDIR		compiled in (see ../install.mk): the last directory that `run` searches
#
# The command is statically linked with the library, for `info` and `bench`. `run` needs the shared
# library.

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

# Fortified headers would replace functions that this library defines.
$(counting): $(SRC)/command/counting.c $(SRC)/command/counting.map $(SRC)/command/counts.h \
	     $(SRC)/thread.h $(SRC)/vgetrandom.h $(OUT)/syscall.o
	$(CC) $(filter-out -M%,$(FLAGS)) $(CPPFLAGS) $(CFLAGS) -U_FORTIFY_SOURCE $(LDFLAGS) \
		-shared -Wl,-soname,$(@F) -Wl,--version-script,$(SRC)/command/counting.map \
		-Wl,-z,nodelete,-z,now,-z,relro,-z,defs -Bsymbolic-functions -o $@ \
		$(SRC)/command/counting.c $(OUT)/syscall.o -pthread -ldl

# Changes only if a compiled-in value does, such as LIBDIR in `make install PREFIX=...` after a
# plain `make`.
$(OUT)/command.flags: FORCE
	@mkdir -p $(OUT)
	@printf '%s\n' $(COMMAND_FLAGS) >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# -ldl: in some C libraries dlopen() is in a separate library.
$(OUT)/vgetrandom: $(COMMAND_SOURCES) $(COMMAND_HEADERS) $(OUT)/libvgetrandom.a \
		   $(OUT)/command.flags
	$(CC) $(COMMAND_FLAGS) $(CPPFLAGS) $(CFLAGS) -I$(SRC) $(COMMAND_SOURCES) \
		$(OUT)/libvgetrandom.a $(LDFLAGS) -pthread -ldl -lm -o $@

FORCE:
.PHONY: all FORCE
