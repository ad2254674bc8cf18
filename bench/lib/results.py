# SPDX-License-Identifier: MIT
"""build/bench/results.json: its contents, and which figures may be compared.

    host        the machine
    quick       whether any result was measured with QUICK=1
    parts       the vDSO image, library and kernel that each part was measured with
    native      this project's vDSO in a process, with each core; others; parts of a call (limit.c)
    also        other costs of a call, by "name"
    guest       the patched kernel, booted
    libraries   libvgetrandom, and the generators that programs use today
    scaling     the same, with several threads
    crossover   libvgetrandom, around the size from which expanding a key pays
    programs    programs with and without libvgetrandom
    start       the cost of preloading for a process that starts or forks, by "name"
    module      getrandom(2) of Debian's kernel, booted, with and without the module

All fields but the first three are arrays of rows. A row has "where" (native, guest, stock, no-vdso,
our-vdso, module, module-locked; for OpenSSL provider, openssl-3.5, openssl-3.5-provider, and with
-module the provider with the module's page), "impl", "core", "libc", "call", "bytes", "threads" and
"ns", the time of a call, where they apply. The rows of "programs" differ: see measure() there.
"""

import hashlib
import json
import os
import platform
import subprocess
import time

import places

PATH = os.path.join(places.OUT, "results.json")
PARTS = {"native": ("native", "also"), "libraries": ("libraries", "scaling", "crossover"),
         "programs": ("programs",), "start": ("start",), "guest": ("guest",), "module": ("module",)}


class Missing(Exception):
    """A result that is needed was not measured. The message names it."""


def use(path):
    """Use another file from now on."""
    global PATH     # pylint: disable=global-statement
    PATH = path


def _digest(path):
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except FileNotFoundError:
        return "none"


def _host():
    cpu = {}
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        for line in file:
            key, _, value = line.partition(":")
            cpu.setdefault(key.strip(), value.strip())
    # In a virtual machine the name alone may stand for several generations.
    name = f"{cpu.get('model name', 'unknown')}, family {cpu.get('cpu family', '?')} " \
           f"model {cpu.get('model', '?')}"
    compiler = subprocess.run(["cc", "-dumpfullversion"], check=False, text=True,
                              stdout=subprocess.PIPE).stdout.strip() or "unknown"
    return {"cpu": name, "kernel": platform.release(), "compiler": "gcc " + compiler,
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def load():
    """Load all results. Raise Missing if there are none, or if they cannot be read."""
    try:
        with open(PATH, encoding="utf-8") as file:
            found = json.load(file)
    except FileNotFoundError as error:
        raise Missing(f"there is no {places.relative(PATH)}") from error
    except (OSError, ValueError) as error:
        raise Missing(f"it cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise Missing("it is not an object")
    for name in ("cpu", "kernel", "compiler", "date"):
        if not isinstance(found.get("host"), dict) or not found["host"].get(name):
            raise Missing(f'"host" does not say "{name}"')
    for arrays in PARTS.values():
        for array in arrays:
            check(array, found.setdefault(array, []))
    return found


def check(array, rows):
    """Raise Missing unless these are rows that have their results."""
    if not isinstance(rows, list):
        raise Missing(f'"{array}" is no array')
    for row in rows:
        names = ("value",) if array in ("also", "start") else ("ns", "bytes")
        if array == "programs":
            names = ("without", "with")
        for name in names:
            value = row.get(name) if isinstance(row, dict) else None
            # A difference of times may be negative.
            if not isinstance(value, (int, float)) or (array != "also" and value <= 0):
                raise Missing(f'this row of "{array}" has no "{name}": {row}')


def text(found):
    """The results as JSON, one row per line."""
    fields = []
    for name, value in found.items():
        lines = [json.dumps(row, ensure_ascii=False) for row in value] \
            if isinstance(value, list) else None
        body = json.dumps(value, ensure_ascii=False) if lines is None else \
            "[\n    " + ",\n    ".join(lines) + "\n  ]" if lines else "[]"
        fields.append(f"  {json.dumps(name)}: {body}")
    return "{\n" + ",\n".join(fields) + "\n}\n"


def keep(part, measured):
    """Put a part's arrays into results.json.

    "native" starts new results. Another part keeps existing parts only if they were measured with
    the same vDSO image, running kernel and build of libvgetrandom. So results.json never compares
    two versions of the code.
    """
    identity = {"image": _digest(places.IMAGE), "kernel": platform.release(),
                "library": _digest(places.LIBRARY)}
    try:
        found = load() if part != "native" else {}
    except Missing:
        found = {}
    parts = {}
    for name, known in found.get("parts", {}).items():
        same = ["image", "kernel"] + ["library"] * (name in ("libraries", "programs", "start"))
        if name != part and all(known.get(key) == identity[key] for key in same):
            parts[name] = known
        elif name != part:
            print(f'"{name}": old results are of another build or kernel; discarded')
    parts[part] = {**identity, "quick": places.QUICK}
    kept = {"host": _host(), "quick": any(known["quick"] for known in parts.values()),
            "parts": parts}
    for name, arrays in PARTS.items():
        for array in arrays:
            kept[array] = measured[array] if name == part else \
                found.get(array, []) if name in parts else []
    for array in PARTS[part]:
        check(array, kept[array])
    if not kept[PARTS[part][0]]:
        raise Missing("no figure was measured")
    with open(PATH + ".new", "w", encoding="utf-8") as file:
        file.write(text(kept))
    os.replace(PATH + ".new", PATH)
    print(f"written: {places.relative(PATH)}")


def select(rows, **match):
    """The rows with all of these fields."""
    return [row for row in rows if all(row.get(name) == value for name, value in match.items())]


def chosen_core(found):
    """The core that libvgetrandom chose, or "" if it expands no keys."""
    rows = select(found["libraries"], impl="libvgetrandom", call="getrandom", where="native")
    if not rows:
        raise Missing('"libraries" has no row of libvgetrandom')
    return rows[0]["core"]


def by_size(rows, threads=1, **match):
    """The time of a call, by size."""
    return {row["bytes"]: row["ns"] for row in select(rows, **match)
            if row.get("threads", 1) == threads}
