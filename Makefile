# SPDX-License-Identifier: MIT
#
# vgetrandom: getrandom() in the vDSO of Linux 6.1. 'make help' lists the targets.
#
# This Makefile only names the steps and their order; the work is in scripts/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

# A plain Linux 6.1.y or 6.12.y, tarball or tree, instead of Debian's 6.1.y.
ifdef LINUX
export LINUX
endif
# Another configuration of the kernel: cloud, amd64 or rt, Debian's; or a file.
ifdef CONFIG
export CONFIG
endif
# make module for another kernel than the running one, or with headers that are elsewhere.
export KVER KDIR DESTDIR
# make bench, quick: less time for each figure.
export QUICK
# make test TESTS='series vm-*': only these.
TESTS ?=
# make versions VERSIONS='6.1.170-3 cloud': only these.
VERSIONS ?=

help:		## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22
	@echo
	@echo "  LINUX=<tarball or tree>   another plain Linux 6.1.y or 6.12.y to start from"
	@echo "  CONFIG=cloud              kernel, with a configuration of Debian's: or amd64, rt, a file"
	@echo "  QUICK=1                   a shorter bench"
	@echo "  TESTS='series vm-*'       only these tests; scripts/run-tests --list names them"
	@echo "  VERSIONS='6.1.170-3 cloud' only these; scripts/versions --list names them"
	@echo "  MINUTES=10                a shorter soak"
	@echo "  MUTATIONS='vdso-*'        only these"
	@echo "  PREFIX=, DESTDIR=         where 'install' installs to"
	@echo "  KVER=, KDIR=              module, for that version of the kernel, with headers from there"
	@echo "  JOBS=N                    processes of a build (default: one a processor)"

deps:		## install the Debian packages needed (as root; else say how)
	@scripts/deps

tree: deps	## a plain Linux 6.1.y with our files: build/linux
	@scripts/prepare-tree

vdso: tree	## our vDSO's image alone, without the kernel
	@scripts/build vdso

kernel: tree	## the small kernel that the guest boots; CONFIG=cloud: Debian's instead
	@scripts/build kernel

selftests: tree	## the vDSO's kselftests
	@scripts/build selftests

lib:		## libvgetrandom and the command vgetrandom: build/lib
	@scripts/build lib

install: lib	## install them: PREFIX=/usr/local DESTDIR=
	@$(MAKE) -C tools/lib/vgetrandom install OUT=$(CURDIR)/build/lib

uninstall:	## take away what install put there: the same PREFIX= and DESTDIR=
	@$(MAKE) -C tools/lib/vgetrandom uninstall OUT=$(CURDIR)/build/lib

deb:		## Debian packages of them: build/deb
	@scripts/deb

module:		## vgetrandom.ko for a kernel that is not ours: build/module; KVER=, KDIR=
	@scripts/module build

module-install: module	## install it, to be loaded at boot: DESTDIR=
	@scripts/module install

bench:		## measure, natively and in the guest: build/bench/results.json
	@$(MAKE) vdso lib
	@bench/run native
	@bench/run libraries
	@bench/run start
	$(if $(filter-out 0,$(QUICK)),,@bench/run programs)
	@$(MAKE) kernel
	@bench/run guest
	@if [ "$$(id -u)" = 0 ]; then scripts/stock --module 6.1 && bench/run module; \
	else echo "left out, because it needs root: getrandom(2) with the module loaded"; fi

report: bench	## measure, and draw it: build/report, README.md and bench/pictures
	@bench/report

bench-lib: lib	## libvgetrandom against other libraries, and programs with it and without
	@bench/run libraries
	@bench/run programs

bench-lazyfree: tree	## MADV_FREE in our kernel and in plain Linux (builds both)
	@scripts/build kernel-plain
	@scripts/build kernel
	@bench/run lazyfree

test: deps	## the tests that a change needs: 15 minutes
	@scripts/run-tests $(TESTS)

test-all: deps	## these, and what takes longer: the debug kernel, W=1, README.md's commands
	@scripts/run-tests --all

test-rest: deps	## only what 'test' leaves to 'test-all'
	@scripts/run-tests --rest

# What runs in the guest, in a kernel that looks for its own mistakes.
DEBUG_TESTS := *-guest lib-guest-* cores readiness generation timens reclaim unwind memory-* model-*
test-debug: tree	## the tests in the guest on a kernel with KASAN and lockdep (slow)
	@scripts/build kernel-debug
	@PATIENCE=4 VM_KERNEL=build/kernel-debug \
		scripts/run-tests $(if $(TESTS),$(TESTS),$(DEBUG_TESTS:%='%'))

foreign: deps	## other projects' test suites with the library, and without: SUITES='python php'
	@scripts/foreign $(SUITES)

test-exhaustive: tree	## every event at every instruction, and pairs, with every core (hours); or PARTS='running sse2'
	@scripts/build vdso
	@scripts/build tests
	@scripts/tests/exhaustive $(PARTS)

# make soak MINUTES=10: not an hour of it.
MINUTES ?= 60
soak: kernel lib	## everything at once in the guest, an hour; then statistics of each core
	@scripts/build tests
	@scripts/soak $(MINUTES)

# make test-mutations MUTATIONS='vdso-*': only these.
MUTATIONS ?=
test-mutations: kernel selftests lib	## breakages of our code, each caught by a named test (slow)
	@scripts/build tests
	@scripts/mutation-test $(MUTATIONS)

boot: kernel	## a shell in the guest
	@scripts/vm -- /bin/sh

series: tree	## our change as patches for git am: build/series
	@scripts/series

versions: deps	## all that Debian's archive offers, source and binary: two tables of README.md (hours)
	@scripts/versions $(VERSIONS)

series-check: tree	## apply the series one by one and build each step (slow)
	@scripts/series --check

check: tree	## static checks of all there is: CHECKS='shell cppcheck' for only these
	@scripts/check $(CHECKS)

clean:		## remove build/
	rm -rf build

.PHONY: help deps tree vdso kernel selftests lib install uninstall deb module module-install bench report bench-lib bench-lazyfree \
	test test-all test-rest test-debug foreign test-exhaustive soak test-mutations boot series versions series-check check clean
.NOTPARALLEL:
