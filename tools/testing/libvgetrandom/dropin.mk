# SPDX-License-Identifier: MIT
#
# The programs of the tests dropin, programs and guest: linked with the library in each
# of the ways that there are, or in none.
#
#	LIB	the folder in which the library was built
#	OUT	where the programs go
#	CC	musl-gcc for musl

TOP	:= $(abspath $(dir $(lastword $(MAKEFILE_LIST)))/../../..)
HERE	:= $(TOP)/tools/testing/libvgetrandom
HEADER	:= $(TOP)/tools/lib/vgetrandom
LIB	?= $(TOP)/build/lib
LIBPATH	:= $(abspath $(LIB))
OUT	?= $(TOP)/build/libtests
HOSTCC	?= gcc

DROPIN_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -I$(HEADER)
RPATH	:= -Wl,-rpath,$(LIBPATH)
DROPIN	:= dropin_calls dropin_linked dropin_static dropin_info dropin_info_static dropin_count \
	   guest_pressure

dropin: $(DROPIN:%=$(OUT)/%)

# Without the library: only a preload can get it in.
$(OUT)/dropin_calls: $(HERE)/dropin_calls.c
	@mkdir -p $(OUT)
	$(CC) $(DROPIN_CFLAGS) $< -o $@ -lpthread -ldl

$(OUT)/dropin_linked: $(HERE)/dropin_calls.c $(LIB)/libvgetrandom.so
	@mkdir -p $(OUT)
	$(CC) $(DROPIN_CFLAGS) $< -o $@ -L$(LIBPATH) -lvgetrandom $(RPATH) -lpthread -ldl

# dladdr() wants to say that it is of no use there.
$(OUT)/dropin_static: $(HERE)/dropin_calls.c $(LIB)/libvgetrandom.a
	@mkdir -p $(OUT)
	$(CC) $(DROPIN_CFLAGS) -DSTATIC -static $< -o $@ $(LIB)/libvgetrandom.a -lpthread

$(OUT)/dropin_info: $(HERE)/dropin_info.c $(LIB)/libvgetrandom.so
	@mkdir -p $(OUT)
	$(CC) $(DROPIN_CFLAGS) $< -o $@ -L$(LIBPATH) -lvgetrandom $(RPATH)

$(OUT)/dropin_info_static: $(HERE)/dropin_info.c $(LIB)/libvgetrandom.a
	@mkdir -p $(OUT)
	$(CC) $(DROPIN_CFLAGS) -static $< -o $@ $(LIB)/libvgetrandom.a

$(OUT)/guest_pressure: $(HERE)/guest_pressure.c $(LIB)/libvgetrandom.so
	@mkdir -p $(OUT)
	$(CC) $(DROPIN_CFLAGS) $< -o $@ -L$(LIBPATH) -lvgetrandom $(RPATH) -lpthread

# It looks at others from outside; of which libc they are is not its business.
$(OUT)/dropin_count: $(HERE)/dropin_count.c
	@mkdir -p $(OUT)
	$(HOSTCC) $(DROPIN_CFLAGS) $< -o $@ -ldl

.PHONY: dropin
