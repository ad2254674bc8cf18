# SPDX-License-Identifier: MIT
"""Tables of the results, for the terminal, README.md and bench/README.md."""

import places
import results
import targets
from results import Missing, by_size, select
from show import digits, duration, markdown, number, terminal, times

GAIN_SIZES = (4, 16, 32, 256, 4096, 65536)


def _name(row):
    return " ".join(filter(None, (row["impl"], row["core"])))


def _columns(rows, *keys):
    """The contenders of these rows, in order, each named by the values of keys."""
    return list(dict.fromkeys(tuple(row.get(key, "") for key in keys) for row in rows))


#
# For the terminal
#

def _show_times(found, array):
    """A table by size for each number of threads that was measured with more than one size."""
    rows = [row for row in found[array] if row["impl"] != "rounds"]
    for threads in sorted({row["threads"] for row in rows}):
        by_name = {}
        for row in select(rows, threads=threads):
            by_name.setdefault(_name(row), {})[row["bytes"]] = row["ns"]
        sizes = sorted({size for times_by_size in by_name.values() for size in times_by_size})
        where = f"{array}, {threads} thread{'s' if threads > 1 else ''}"
        terminal(f"{where}: ns per call, by bytes", ["", *sizes],
                 [[name, *(number(ns.get(size)) for size in sizes)]
                  for name, ns in by_name.items()])
        syscall = by_name.get("syscall", {})
        terminal(f"{where}: speedup over the system call", ["", *sizes],
                 [[name, *(number(syscall[size] / ns[size] if size in ns and size in syscall
                                  else None) for size in sizes)]
                  for name, ns in by_name.items()])


def _show_also(rows):
    for name in dict.fromkeys(row["name"] for row in rows):
        selected = select(rows, name=name)
        unit = selected[0]["unit"]
        sizes = sorted({row.get("bytes", 0) for row in selected})
        by_name = {}
        for row in selected:
            value = f"{int(row['value']):#x}" if unit == "XINUSE" else number(row["value"])
            by_name.setdefault(_name(row), {})[row.get("bytes", 0)] = value
        terminal(f"native: {name}{', ' + unit if unit else ''}",
                 ["", *(size or "" for size in sizes)],
                 [[contender, *(values.get(size, "-") for size in sizes)]
                  for contender, values in by_name.items()])


def _show_libraries(found):
    rows = found["libraries"]
    for where in dict.fromkeys(row["where"] for row in rows):
        selected = select(rows, where=where)
        sizes = sorted({row["bytes"] for row in selected})
        keys = ("impl", "core", "call", "libc")
        terminal(f"{where}, 1 thread: ns per call, by bytes", [*keys, *sizes],
                 [[*names, *(number(ns.get(size)) for size in sizes)]
                  for names in _columns(selected, *keys)
                  for ns in [by_size(selected, **dict(zip(keys, names)))]])
    counts = sorted({row["threads"] for row in found["scaling"]})
    keys = ("where", "impl", "call", "libc")
    terminal("libraries: millions of calls a second, by threads", [*keys, *counts],
             [[*names, *(number(1e3 * row["threads"] / row["ns"])
                         for row in select(found["scaling"], **dict(zip(keys, names))))]
              for names in _columns(found["scaling"], *keys)])
    _show_crossover(found["crossover"])


def _show_crossover(rows):
    sizes = sorted({row["bytes"] for row in rows})
    for where in dict.fromkeys(row["where"] for row in rows):
        small = by_size(rows, where=where, core="")
        lines = []
        for core, in _columns(select(rows, where=where), "core"):
            ns = by_size(rows, where=where, core=core)
            slower = [size for size in sizes if size in small and ns[size] >= small[size]]
            faster = [size for size in sizes if size > max(slower, default=0)]
            lines.append([core or "not expanded", *(number(ns[size]) for size in sizes),
                          min(faster, default="-") if core else ""])
        terminal(f"{where}: ns to expand a key, by bytes; from: always faster from here on",
                 ["", *sizes, "from"], lines)


def _show_programs(rows):
    ways = list(dict.fromkeys(way for row in rows for way in row["ways"]))
    terminal("native: ns of a request, in each way that applies; calls: system calls per request; "
             "speedup, and calls with: in the way that reaches the program",
             ["request", "package", *ways, "speedup", "reached by", "calls without", "calls with",
              "why"],
             [[row["does"], row["program"],
               *(f"{row['ways'][way]:.0f}" if way in row["ways"] else "-" for way in ways),
               f"{row['without'] / row['with']:.2f}", row["reached"], row["asked_without"],
               row["asked_with"], row["why"]] for row in rows])


def _show_start(rows):
    preloaded = [impl for impl, in _columns(rows, "impl")]
    terminal("start: us, by what is preloaded; the median", ["", *preloaded],
             [[name, *(f"{row['value'] / 1000:.1f}" for impl in preloaded
                       for row in select(rows, name=name, impl=impl))]
              for name, in _columns(rows, "name")])


def show(parts):
    """Print the tables of these parts, as far as they have been measured."""
    found = results.load()
    if "native" in parts and found["native"]:
        _show_times(found, "native")
        _show_also(found["also"])
    if "libraries" in parts and found["libraries"]:
        _show_libraries(found)
    if "programs" in parts and found["programs"]:
        _show_programs(found["programs"])
    if "start" in parts and found["start"]:
        _show_start(found["start"])
    if "guest" in parts and found["guest"]:
        _show_times(found, "guest")


def verdict():
    """Print the measured values beside their targets, and how many targets are met."""
    found = results.load()
    checked = targets.Verdict()
    if found["native"]:
        targets.native(found, places.cores(), checked)
    if found["libraries"]:
        targets.libraries(found, places.cores(), checked)
    if found["start"]:
        targets.start(found, checked)
    if found["programs"]:
        targets.programs(found, checked)
    if found["module"]:
        targets.guest_module(found, checked)
    checked.print()


#
# For the READMEs
#

def _measured(found):
    host = found["host"]
    return (f"Measured on {host['cpu']}, Linux {host['kernel']}, {host['compiler']}, "
            f"{host['date'][:10]}.")


def _libc(found):
    """The name of this machine's libc, in results and for readers. The first row is of it."""
    name = found["libraries"][0]["libc"]
    return name, name.replace("-", " ")


def _chosen_core(found):
    """The core that libvgetrandom chose here; None if it expands no keys."""
    return next((core for core in places.cores() if core.name == results.chosen_core(found)), None)


def _cell(ns, size, other, slower):
    """A time; in brackets the speedup over other, or with slower the time relative to other."""
    if size not in ns:
        return "-"
    if not other or size not in other:
        return duration(ns[size])
    return duration(ns[size]) + " " + times(ns[size] / other[size] if slower else
                                            other[size] / ns[size])


def _by_size(columns, sizes, slower=False):
    """A table of columns (heading, times, times to compare with). Omits columns without times."""
    columns = [column for column in columns if column[1]]
    return markdown(["bytes", *(heading for heading, *_ in columns)],
                    [[str(size), *(_cell(ns, size, other, slower) for _, ns, other in columns)]
                     for size in sizes])


def _libraries(found):
    """The columns of libraries that tables show, by name."""
    rows = select(found["libraries"], where="native")
    here = _libc(found)[0]
    return {
        "libvgetrandom": by_size(rows, impl="libvgetrandom", libc=here, call="getrandom"),
        "no-vdso": by_size(found["libraries"], where="no-vdso", impl="libvgetrandom"),
        "here": by_size(rows, impl=here, call="getrandom"),
        "glibc-2.41": by_size(rows, impl="glibc-2.41", call="getrandom"),
        "musl": by_size(rows, impl="musl", call="getrandom"),
        **{name: by_size(rows, impl=name) for name in ("libbsd", "openssl", "libsodium",
                                                       "kernel-vdso", "syscall")},
    }


def gain(found):
    """Speedup over the system call."""
    if not found["libraries"]:
        return None
    known = _libraries(found)
    ours, vdso = targets.module(found, results.chosen_core(found))
    syscall = known["syscall"]
    return (_measured(found) + " In brackets: speedup over\nthe system call.\n\n" +
            _by_size([("system call", syscall, None),
                      ("glibc 2.41, stock vDSO", known["glibc-2.41"], syscall),
                      ("libvgetrandom, stock vDSO", known["libvgetrandom"], syscall),
                      ("**libvgetrandom, module**", ours, syscall),
                      ("patched kernel's vDSO", vdso, syscall)],
                     [size for size in GAIN_SIZES if size in known["libvgetrandom"]]))


def _vdso_table(rows, title, against):
    """Each core of this project's vDSO, compared with the first of against that was measured."""
    known = {impl: by_size(rows, impl=impl) for impl in ("kernel-vdso", "syscall")}
    impl, called = next(pair for pair in against if known[pair[0]])
    return (f"{title} In brackets: speedup over {called}.\n\n" +
            _by_size([*((f"**vgetrandom**, {core.log}", by_size(rows, impl="vdso", core=core.name),
                         known[impl]) for core in places.cores()),
                      ("stock vDSO", known["kernel-vdso"], None),
                      ("system call", known["syscall"], None)], sorted(known["syscall"])))


def by_threads(rows, size, **match):
    """The time of a call, by the number of threads."""
    return {row["threads"]: row["ns"] for row in select(rows, bytes=size, **match)}


def _threads_table(found):
    size = found["scaling"][0]["bytes"]
    counts = sorted(by_threads(found["native"], size, impl="syscall"))
    lines = [(f"**vgetrandom**, {core.log}", found["native"], {"impl": "vdso", "core": core.name})
             for core in places.cores()]
    lines += [("stock vDSO", found["native"], {"impl": "kernel-vdso"}),
              ("system call", found["native"], {"impl": "syscall"}),
              ("**libvgetrandom**, module loaded", found["scaling"], {"where": "module"}),
              ("glibc 2.41 `getrandom`", found["scaling"],
               {"impl": "glibc-2.41", "call": "getrandom"}),
              ("libbsd `arc4random_buf`", found["scaling"], {"impl": "libbsd"}),
              ("OpenSSL `RAND_bytes`", found["scaling"], {"impl": "openssl"}),
              ("libsodium `randombytes_buf`, its internal generator", found["scaling"],
               {"impl": "libsodium-internal"})]
    body = []
    for heading, rows, match in lines:
        ns = by_threads(rows, size, **match)
        if ns:
            body.append([heading, *("-" if n not in ns else digits(n * 1e3 / ns[n]) +
                                    (" " + times(n * ns[1] / ns[n]) if n > 1 else "")
                                    for n in counts)])
    return (f"Millions of {size}-byte calls per second, all threads together, each thread on its "
            "own processor.\nIn brackets: speedup over one thread.\n\n" +
            markdown(["threads", *map(str, counts)], body, 1))


def bench(found):
    """This project's vDSO and the system call, by size and by threads."""
    if not found["native"]:
        return None
    kernels = ("kernel-vdso", "the stock vDSO")
    syscall = ("syscall", "the system call")
    parts = [_measured(found),
             _vdso_table(found["native"], "This project's vDSO image in an ordinary process, with "
                         "each core.", [kernels, syscall])]
    if found["scaling"]:
        parts.append(_threads_table(found))
    if found["guest"]:
        parts.append(_vdso_table(select(found["guest"], threads=1), "The patched kernel, booted "
                                 "in QEMU on the same machine.", [syscall]))
    return "\n\n".join(parts)


def lib(found):
    """libvgetrandom, and the generators that programs use today."""
    if not found["libraries"]:
        return None
    known, core = _libraries(found), _chosen_core(found)
    here = _libc(found)[1]
    sizes = sorted(known["libvgetrandom"])
    rows = select(found["libraries"], where="native", call="vgetrandom")
    parts = [
        _measured(found),
        f"A program on {here}, with libvgetrandom preloaded and without; programs on other\n"
        "libraries; and a process without a vDSO, as before Linux 6.11. In brackets: speedup over\n"
        f"{here}." + (f" libvgetrandom chose {core.log}." if core else ""),
        _by_size([("**libvgetrandom**", known["libvgetrandom"], known["here"]),
                  ("**libvgetrandom**, no vDSO", known["no-vdso"], known["here"]),
                  (f"{here} `getrandom`", known["here"], None),
                  ("glibc 2.41 `getrandom`", known["glibc-2.41"], None),
                  ("musl `getrandom`", known["musl"], None),
                  ("libbsd `arc4random_buf`", known["libbsd"], None),
                  ("OpenSSL `RAND_bytes`", known["openssl"], None),
                  ("libsodium `randombytes_buf`", known["libsodium"], None)], sizes)]
    if known["glibc-2.41"]:
        parts += ["libvgetrandom with each of its cores. In brackets: speedup over glibc 2.41 on "
                  "the same\nkernel.",
                  _by_size([*((core.log, by_size(rows, core=core.name), known["glibc-2.41"])
                              for core in places.cores()),
                            ("glibc 2.41 `getrandom`", known["glibc-2.41"], None)], sizes)]
    columns = [(f"**libvgetrandom**, {core.log}", *targets.module(found, core.name))
               for core in places.cores()]
    locked = [(f"{name}, states locked", *targets.module(found, core.name, "module-locked"))
              for (name, *_), core in zip(columns, places.cores())]
    if any(ours for _, ours, _ in columns):
        parts += ["libvgetrandom with the module's page, with each of its cores. In brackets: "
                  "time relative\nto the patched kernel's vDSO function.",
                  _by_size(columns + locked, sizes, slower=True)]
    if found["module"]:
        least = {size: ns for (size, how), ns in targets.module_loaded(found).items()
                 if how == "least"}
        parts += ["`getrandom(2)` of Debian's Linux 6.1, booted in QEMU: without the module, "
                  "with it, and without\nit again, to show the noise. In brackets: time relative "
                  "to the first column.",
                  markdown(["bytes", "no module", "module loaded", "no module"],
                           [[str(size), f"{without:.0f} ns",
                             *(f"{ns:.0f} ns ({ns / without:.3f}x)" for ns in others)]
                            for size, (without, *others) in least.items()])]
    return "\n\n".join(parts)


def _without_and_with(row):
    """Cells of a program: without libvgetrandom, with it, and with the module loaded."""
    def cell(ns):
        return f"{duration(ns)} {times(row['without'] / ns)}" if ns else "-"

    return [duration(row["without"]), cell(row["with"]), cell(row["module"])]


def programs(found):
    """Programs with and without libvgetrandom."""
    if not found["programs"]:
        return None

    def asked(row):
        return "-" if row["asked_without"] is None else \
            f"{row['asked_without']:g} -> {row['asked_with']:g}"

    return _measured(found) + "\n\n" + markdown(
        ["package", "request", "reached by", "why, and what helps", "system calls per request",
         "without", "with", "with the module"],
        [[f"{row['program']} {row['version']}", f"`{row['does']}`", row["reached"], row["why"],
          asked(row), *_without_and_with(row)] for row in found["programs"]], 4)


LITTLE = 1.2


def _reached(row):
    """What reaches a program; if it gains little or nothing, also why."""
    is_little = row["without"] / row["with"] < LITTLE
    return f"{row['reached']}: {row['why']}" if is_little else row["reached"]


def who(found):
    """Popular programs, and what each gains."""
    if not found["programs"]:
        return None
    return _measured(found) + "\n\n" + markdown(
        ["program", "request", "reached by", "without", "with", "with the module"],
        [[row["name"], f"`{row['does']}`", _reached(row), *_without_and_with(row)]
         for row in found["programs"] if row["name"]], 3)


SIBLING_SIZES = (16, 256, 4096, 65536)


def siblings(found, before):
    """Cores of the same instruction set, a line for each processor that was measured. before: the
    old lines of the table; the line of this processor is replaced."""
    pair = targets.siblings(found["native"], places.cores())
    if not pair or not found["libraries"]:
        return None
    first, second, ratios = pair
    chosen = _chosen_core(found)
    cpu = found["host"]["cpu"]
    lines = [line for line in before if line.startswith("| ")][1:]
    kept = [line for line in lines if not line.startswith(f"| {cpu} |")]
    table = markdown(["processor", *(f"{size} bytes" for size in SIBLING_SIZES), "used there"],
                     [[cpu, *(number(ratios.get(size)) for size in SIBLING_SIZES),
                       chosen.log if chosen else "-"]], 1)
    return "\n".join([f"Time of {first.log} divided by the time of {second.log}:", "", table,
                      *kept])


# Each table goes between the lines <!-- NAME:begin --> and <!-- NAME:end -->.
PLACES = {"README.md": {"gain": gain, "who": who},
          "bench/README.md": {"bench": bench, "siblings": siblings, "lib": lib,
                              "programs": programs}}


def put(text, path, found):
    """A README's text with new tables, and the names of these. A table that was not measured stays
    unchanged."""
    written = []
    for name, make in PLACES[path].items():
        begin, end = (f"<!-- {name}:{which} -->\n" for which in ("begin", "end"))
        if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
            raise Missing(f"{path} needs the lines {begin.strip()} and {end.strip()}, once each "
                          "and in this order")
        head, _, rest = text.partition(begin)
        old, _, tail = rest.partition(end)
        new = make(found, old.splitlines()) if make is siblings else make(found)
        if new:
            text = head + begin + new + "\n" + end + tail
            written.append(name)
    return text, written
