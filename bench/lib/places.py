# SPDX-License-Identifier: MIT
"""Paths, and the table of ChaCha20 cores."""

import os
import subprocess
import sys
from typing import NamedTuple

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _of_architecture(name):
    """A variable of scripts/arch."""
    return subprocess.run(["bash", "-c", '. "$1/scripts/lib.sh"; printf %s "${!2}"', "bash", TOP,
                           name], check=True, text=True, stdout=subprocess.PIPE).stdout


BUILD = os.path.abspath(os.environ.get("VGETRANDOM_BUILD", os.path.join(TOP, "build")))
OUT = os.path.join(BUILD, "bench")
KERNEL = os.path.join(BUILD, "kernel", _of_architecture("KERNEL_IMAGE"))
IMAGE = os.path.join(BUILD, "kernel", _of_architecture("VDSO_IMAGE"))
STOCK = os.path.join(BUILD, "stock/6.1")
PAGED = os.path.join(OUT, "paged")
LIBRARY = os.path.join(BUILD, "lib/libvgetrandom.so")
QUICK = os.environ.get("QUICK", "0") not in ("", "0")


class Core(NamedTuple):
    """A ChaCha20 core. feature: the CPU feature it needs; log: its name in the kernel's log."""
    name: str
    blocks: int
    feature: str
    log: str


def cores():
    """All cores, the fastest first."""
    lines = subprocess.run([os.path.join(TOP, "scripts/cores")], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.splitlines()
    fields = reversed([line.split("\t") for line in lines])
    return [Core(name, int(blocks), feature, log) for name, blocks, feature, log in fields]


def relative(path):
    """A path for messages."""
    return os.path.relpath(path, TOP) if path.startswith(TOP + os.sep) else path


def die(message):
    """Exit with an error message."""
    sys.exit(f"{os.path.basename(sys.argv[0])}: {message}")


def need(path, target, run="make "):
    """Exit unless a file exists. target: the make target that builds it."""
    if not os.path.isfile(path):
        die(f"{relative(path)}: missing; run '{run}{target}'")
