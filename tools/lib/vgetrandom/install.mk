# SPDX-License-Identifier: MIT
#
# make install, make uninstall. Makefile includes this and sets OUT, SRC, VERSION and SONAME.
#
#	PREFIX		/usr/local
#	LIBDIR BINDIR INCLUDEDIR MANDIR	other directories than those in PREFIX
#	DESTDIR		put before all of these paths, to make packages

PREFIX		?= /usr/local
LIBDIR		?= $(PREFIX)/lib
BINDIR		?= $(PREFIX)/bin
INCLUDEDIR	?= $(PREFIX)/include
MANDIR		?= $(PREFIX)/share/man
INSTALL		?= install

MAN1	:= $(wildcard $(SRC)/man/*.1)
MAN2	:= $(wildcard $(SRC)/man/*.2)
MAN3	:= $(wildcard $(SRC)/man/*.3)
MAN7	:= $(wildcard $(SRC)/man/*.7)

# Paths in the .pc file are relative to ${prefix}, so that the whole directory may be moved.
in_prefix = $(patsubst $(PREFIX)/%,$${prefix}/%,$(1))

install: all
	$(INSTALL) -d $(addprefix $(DESTDIR),$(LIBDIR)/pkgconfig $(LIBDIR)/vgetrandom $(BINDIR) \
		$(INCLUDEDIR) $(addprefix $(MANDIR)/man,1 2 3 7))
	$(INSTALL) -m 644 $(OUT)/$(SONAME) $(OUT)/libvgetrandom.a $(DESTDIR)$(LIBDIR)
	$(INSTALL) -m 644 $(OUT)/$(COUNTING) $(DESTDIR)$(LIBDIR)/vgetrandom
	$(if $(has_openssl),$(INSTALL) -D -m 644 -t $(DESTDIR)$(LIBDIR)/ossl-modules $(provider))
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libvgetrandom.so
	sed -e 's,@PREFIX@,$(PREFIX),' -e 's,@LIBDIR@,$(call in_prefix,$(LIBDIR)),' \
		-e 's,@INCLUDEDIR@,$(call in_prefix,$(INCLUDEDIR)),' \
		-e 's,@VERSION@,$(VERSION),' $(SRC)/libvgetrandom.pc.in \
		>$(DESTDIR)$(LIBDIR)/pkgconfig/libvgetrandom.pc
	chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/libvgetrandom.pc
	$(INSTALL) -m 755 $(OUT)/vgetrandom $(DESTDIR)$(BINDIR)
	$(INSTALL) -m 644 $(SRC)/vgetrandom.h $(DESTDIR)$(INCLUDEDIR)
	$(INSTALL) -m 644 $(MAN1) $(DESTDIR)$(MANDIR)/man1
	$(INSTALL) -m 644 $(MAN2) $(DESTDIR)$(MANDIR)/man2
	$(INSTALL) -m 644 $(MAN3) $(DESTDIR)$(MANDIR)/man3
	$(INSTALL) -m 644 $(MAN7) $(DESTDIR)$(MANDIR)/man7
	@# The loader finds a new library only after this.
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig 2>/dev/null || :; fi

uninstall:
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,$(SONAME) libvgetrandom.so libvgetrandom.a \
		pkgconfig/libvgetrandom.pc vgetrandom/$(COUNTING) ossl-modules/vgetrandom.so)
	-rmdir $(DESTDIR)$(LIBDIR)/vgetrandom
	rm -f $(DESTDIR)$(BINDIR)/vgetrandom $(DESTDIR)$(INCLUDEDIR)/vgetrandom.h
	rm -f $(addprefix $(DESTDIR)$(MANDIR)/man1/,$(notdir $(MAN1)))
	rm -f $(addprefix $(DESTDIR)$(MANDIR)/man2/,$(notdir $(MAN2)))
	rm -f $(addprefix $(DESTDIR)$(MANDIR)/man3/,$(notdir $(MAN3)))
	rm -f $(addprefix $(DESTDIR)$(MANDIR)/man7/,$(notdir $(MAN7)))

.PHONY: install uninstall
