# SPDX-License-Identifier: MIT
"""build/bench/results.json: what is in it, and which figures may stand beside each other.

    host        the machine
    quick       whether any of it was measured with QUICK=1
    parts       of which vDSO image, library and kernel each part is
    native      our vDSO, hosted with each core, and others; also parts of a call, see limit.c
    also        what calls cost besides, by "name"
    guest       our kernel, booted
    libraries   libvgetrandom, and what programs call today
    scaling     the same, with several threads
    crossover   libvgetrandom, around the size from which it pays to expand a key
    programs    programs with libvgetrandom and without
    start       what is preloaded, in a process that starts, and in one that forks, by "name"
    module      getrandom(2) of Debian's kernel, booted, with the module loaded and without

All but the first three are arrays of rows. A row has "where" (native, guest, stock, no-vdso,
our-vdso, module, module-locked; for OpenSSL provider, openssl-3.5, openssl-3.5-provider, and with
-module the provider with the module's page), "impl", "core", "libc", "call", "bytes", "threads" and
"ns", the time of a call, as far as they apply. "programs" has others: see measure() there.
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
    """Something that is to be shown has not been measured; says what."""


def use(path):
    """Another file for all that follows."""
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
    """All there is; Missing if that is nothing, or nothing that can be read."""
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
    """Missing unless these are rows, each with what it has measured."""
    if not isinstance(rows, list):
        raise Missing(f'"{array}" is no array')
    for row in rows:
        names = ("value",) if array in ("also", "start") else ("ns", "bytes")
        if array == "programs":
            names = ("without", "with")
        for name in names:
            value = row.get(name) if isinstance(row, dict) else None
            # A difference of times may be anything.
            if not isinstance(value, (int, float)) or (array != "also" and value <= 0):
                raise Missing(f'this row of "{array}" has no "{name}": {row}')


def text(found):
    """As JSON, a row on a line."""
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

    "native" begins new results. Other parts stay beside those of the same vDSO image and
    running kernel, and of the same build of libvgetrandom; so results.json never compares two
    versions of our code.
    """
    identity = {"image": _digest(places.IMAGE), "kernel": platform.release(),
                "library": _digest(places.LIBRARY)}
    try:
        found = load() if part != "native" else {}
    except Missing:
        found = {}
    parts = {}
    for name, known in found.get("parts", {}).items():
        same = ["image", "kernel"] + (["library"] if name in ("libraries", "programs", "start") else [])
        if name != part and all(known.get(key) == identity[key] for key in same):
            parts[name] = known
        elif name != part:
            print(f'the results so far of "{name}" are of another build or kernel: dropped')
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
        raise Missing("there is not one figure")
    with open(PATH + ".new", "w", encoding="utf-8") as file:
        file.write(text(kept))
    os.replace(PATH + ".new", PATH)
    print(f"written: {places.relative(PATH)}")


def select(rows, **match):
    """Those rows that have all of this."""
    return [row for row in rows if all(row.get(name) == value for name, value in match.items())]


def chosen_core(found):
    """The name of the core that libvgetrandom chose here; "": it expands no keys."""
    rows = select(found["libraries"], impl="libvgetrandom", call="getrandom", where="native")
    if not rows:
        raise Missing('"libraries" has no row of libvgetrandom')
    return rows[0]["core"]


def by_size(rows, threads=1, **match):
    """The time of a call by its size."""
    return {row["bytes"]: row["ns"] for row in select(rows, **match)
            if row.get("threads", 1) == threads}
