# SPDX-License-Identifier: MIT
#
# vgetrandom: getrandom() in the vDSO of Linux 6.1. 'make help' lists the targets.
#
# This Makefile only names the steps and their order; the scripts in scripts/ do the work.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

# A plain Linux 6.1.y or 6.12.y to patch, tarball or tree; default: Debian's 6.1.y.
ifdef LINUX
export LINUX
endif
# The configuration of the kernel: Debian's cloud, amd64 or rt, or a file.
ifdef CONFIG
export CONFIG
endif
# make module: the version of the kernel, and the directory of its headers.
export KVER KDIR DESTDIR
# make bench QUICK=1: less time for each figure.
export QUICK
# make test TESTS='series vm-*': only these.
TESTS ?=
# make versions VERSIONS='6.1.170-3 cloud': only these.
VERSIONS ?=

help:		## print this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 23
	@echo
	@echo "  LINUX=TARBALL_OR_TREE     patch this plain Linux 6.1.y or 6.12.y (default: Debian's 6.1.y)"
	@echo "  CONFIG=cloud              kernel: use Debian's configuration (cloud, amd64, rt) or a file"
	@echo "  QUICK=1                   bench: less time, less exact"
	@echo "  TESTS='series vm-*'       test: run only these; scripts/run-tests --list names them"
	@echo "  VERSIONS='cloud 6.1.170-3' versions: only these; scripts/versions --list names them"
	@echo "  MINUTES=10                soak: this long (default: 60)"
	@echo "  MUTATIONS='vdso-*'        test-mutations: only these"
	@echo "  PREFIX=, DESTDIR=         install: the destination"
	@echo "  KVER=, KDIR=              module: version of the kernel, directory of its headers"
	@echo "  JOBS=N                    parallel processes of a build (default: one per processor)"

deps:		## install the Debian packages that the build needs (without root: print the command)
	@scripts/deps

tree: deps	## patch a plain Linux 6.1.y: build/linux
	@scripts/prepare-tree

vdso: tree	## build the image of the patched vDSO, without the kernel
	@scripts/build vdso

kernel: tree	## build the patched kernel: a small one for the guest, or Debian's with CONFIG=cloud
	@scripts/build kernel

selftests: tree	## build the kernel's selftests
	@scripts/build selftests

lib:		## build libvgetrandom and the command vgetrandom: build/lib
	@scripts/build lib

install: lib	## install the library and the command: PREFIX=/usr/local DESTDIR=
	@$(MAKE) -C tools/lib/vgetrandom install OUT=$(CURDIR)/build/lib

uninstall:	## remove the installed files: the same PREFIX= and DESTDIR=
	@$(MAKE) -C tools/lib/vgetrandom uninstall OUT=$(CURDIR)/build/lib

deb:		## build Debian packages of the library, the command and the module: build/deb
	@scripts/deb

module:		## build vgetrandom.ko for an unpatched kernel: build/module; KVER=, KDIR=
	@scripts/module build

module-install: module	## install the module, to be loaded at boot: DESTDIR=
	@scripts/module install

bench:		## measure on this machine and in the guest: build/bench/results.json
	@$(MAKE) vdso lib
	@bench/run native
	@bench/run libraries
	@bench/run start
	$(if $(filter-out 0,$(QUICK)),,@bench/run programs)
	@$(MAKE) kernel
	@bench/run guest
	@if [ "$$(id -u)" = 0 ]; then scripts/stock --module 6.1 && bench/run module; \
	else echo "bench: getrandom(2) with the module loaded is not measured; run make bench as root"; fi

report: bench	## measure, then write the tables and pictures: build/report, README.md, bench
	@bench/report

bench-lib: lib	## compare libvgetrandom with other libraries; programs with and without it
	@bench/run libraries
	@bench/run programs

bench-lazyfree: tree	## measure MADV_FREE in the patched kernel and in plain Linux (builds both)
	@scripts/build kernel-plain
	@scripts/build kernel
	@bench/run lazyfree

test: deps	## run the tests for a change: 15 minutes
	@scripts/run-tests $(TESTS)

test-all: deps	## run all tests: also the debug kernel, W=1 and the commands of README.md
	@scripts/run-tests --all

test-rest: deps	## run the tests of test-all that 'test' does not run
	@scripts/run-tests --rest

# The tests that run in the guest, for the debug kernel.
DEBUG_TESTS := *-guest lib-guest-* cores readiness generation timens reclaim aborts* memory-* model-*
test-debug: tree	## run the tests of the guest on a kernel with KASAN and lockdep (slow)
	@scripts/build kernel-debug
	@PATIENCE=4 VM_KERNEL=build/kernel-debug \
		scripts/run-tests $(if $(TESTS),$(TESTS),$(DEBUG_TESTS:%='%'))

foreign: deps	## run other projects' test suites with and without the library: SUITES='python php'
	@scripts/foreign $(SUITES)

test-exhaustive: tree	## inject every event at every instruction, and pairs (hours); PARTS='running sse2'
	@scripts/build vdso
	@scripts/build tests
	@scripts/tests/exhaustive $(PARTS)

# make soak MINUTES=10: less than an hour.
MINUTES ?= 60
soak: kernel lib	## stress everything in the guest for an hour; then statistics of each core
	@scripts/build tests
	@scripts/soak $(MINUTES)

# make test-mutations MUTATIONS='vdso-*': only these.
MUTATIONS ?=
test-mutations: kernel selftests lib	## break the code on purpose; a named test must catch each mutation (slow)
	@scripts/build tests
	@scripts/mutation-test $(MUTATIONS)

boot: kernel	## start a shell in the guest
	@scripts/vm -- /bin/sh

series: tree	## write the kernel change as patches for git am: build/series
	@scripts/series

versions: deps	## test all kernels of Debian's archive (hours), and write two tables of README.md
	@scripts/versions $(VERSIONS)

series-check: tree	## apply the patches one by one and build after each (slow)
	@scripts/series --check

check: tree	## run static checks of all files, or only CHECKS='shell cppcheck'
	@scripts/check $(CHECKS)

clean:		## remove build/
	rm -rf build

.PHONY: help deps tree vdso kernel selftests lib install uninstall deb module module-install bench report bench-lib bench-lazyfree \
	test test-all test-rest test-debug foreign test-exhaustive soak test-mutations boot series versions series-check check clean
.NOTPARALLEL:
