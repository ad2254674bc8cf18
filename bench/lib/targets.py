# SPDX-License-Identifier: MIT
"""Performance targets. They are ratios of times of one run on one machine, with two exceptions:
what the library adds to small requests, in ns, compared with the minimal call; and what it adds to
the start of a process.

The limit of the vDSO function with a core is

    the time of the rounds for the bytes of the call + the time of the minimal call

Both are measured: see limit.c. Let an iteration be the bytes of a core's iteration. If the batch
can serve a call for n bytes, the call needs n / (iteration - 32) of an iteration's rounds, because
32 bytes of each become the next key. Otherwise it needs (n + 32) / iteration. The minimal call is
the fastest call for that many bytes or more out of the batch. For sizes the batch cannot serve it
is the minimal call for 16 bytes, because that keystream can go directly to the buffer.
"""

from results import by_size, chosen_core, select
from show import number, terminal

KEY_BYTES = 32
BLOCK_BYTES = 64
LEAST_BYTES = 16
ROUNDS_BYTES = 65536

# The fractions to reach: of the limit, by bytes; and of the speed of OpenSSL's ChaCha20.
OF_LIMIT = {4: 0.80}
OF_LIMIT_FROM = (16, 0.88)
OF_OPENSSL = (65536, 0.97)

# libvgetrandom with the module's page: time relative to this project's vDSO function.
OF_VDSO = {4: 1.5, 16: 1.4, 32: 1.3}
OF_VDSO_FROM = (256, 1.03)

# ns that libvgetrandom adds to an empty preloaded library; and the time of a process's first two
# small requests.
MORE_THAN_EMPTY = {"start": 25000, "fork, exec, exit": 25000, "fork, exit": 5000}
FIRST_REQUESTS = ("first two requests", 4000)

# OpenSSL's RAND_bytes() for 16 bytes: speedup of the provider over OpenSSL's generator.
OF_OPENSSL_RAND = {"3.0": ("native", "provider", 5.5),
                   "3.5": ("openssl-3.5", "openssl-3.5-provider", 5.0)}

# syscall() for other system calls: ns more than libc's.
OTHER_SYSCALL_NS = 2.0

# Speedup of programs, by package and request, in the way that reaches them, without the module. The
# targets were set on a machine where 16 bytes take 35 ns by the stock vDSO and 340 by the system
# call.
OF_PROGRAMS = {("php-cli", "random_bytes(16)"): 5.0,
               ("librust-getrandom-dev", "getrandom::getrandom(), 16 bytes"): 6.0,
               ("postgresql", "SELECT gen_random_uuid()"): 4.0,
               ("nodejs", "crypto.randomBytes(16)"): 1.8,
               # 207 ns without, 40 with.
               ("openjdk-25-jre-headless", "SecureRandom.nextBytes(), 16 bytes"): 5.0}

# Minima of two measurements of the same code differ: by a nanosecond because of code alignment, and
# by more for system calls.
NOISE_NS = 1.0
NOISE_RATIO = 0.03


def iterations(core, size):
    """The average number of a core's iterations per call."""
    iteration = core.blocks * BLOCK_BYTES
    if size <= iteration - KEY_BYTES:
        return size / (iteration - KEY_BYTES)
    return (size + KEY_BYTES) / iteration


def limits(rows, core):
    """The limit of a core in ns, by size; {} if it was not measured."""
    rounds = by_size(rows, impl="rounds", core=core.name).get(ROUNDS_BYTES)
    least = by_size(rows, impl="least-call")
    if not rounds or LEAST_BYTES not in least:
        return {}
    iteration = core.blocks * BLOCK_BYTES

    def least_ns(size):
        if size > iteration - KEY_BYTES or size > max(least):
            size = LEAST_BYTES
        return min(ns for other, ns in least.items() if other >= size)

    return {size: iterations(core, size) * rounds * iteration / ROUNDS_BYTES + least_ns(size)
            for size in by_size(rows, impl="vdso", core=core.name)}


class Verdict:
    """Counts targets, and remembers the missed ones."""

    def __init__(self):
        self.checked = 0
        self.missed = []

    def at_least(self, what, value, target):
        """A target: value, rounded to two digits, must be at least target. Return it as text."""
        self.checked += 1
        if round(value, 2) >= target:
            return number(value)
        self.missed.append(f"{what}: {value:.3f} of {target:.2f}")
        return number(value) + "!"

    def not_slower(self, what, ns, reference):
        """A target: ns must be at most reference, except for noise. Return the ratio."""
        self.checked += 1
        if ns <= reference * (1 + NOISE_RATIO) + NOISE_NS:
            return number(reference / ns)
        self.missed.append(f"{what}: {ns:.1f} ns, not {reference:.1f} ns")
        return number(reference / ns) + "!"

    def at_most(self, what, value, target):
        """A target: value, rounded to two digits, must be at most target. Return it as text."""
        self.checked += 1
        if round(value, 2) <= target:
            return number(value)
        self.missed.append(f"{what}: {value:.3f}, not {target:.2f}")
        return number(value) + "!"

    def at_most_ns(self, what, value, target):
        """A target: value ns must be at most target ns. Return whether it is met."""
        self.checked += 1
        if value > target:
            self.missed.append(f"{what}: {value:.1f} ns, not {target:.1f} ns")
        return value <= target

    def print(self):
        """Print the missed targets and the total."""
        for missed in self.missed:
            print(f"missed: {missed}")
        if self.checked:
            print(f"{self.checked - len(self.missed)} of {self.checked} targets met")


def _of_limit(rows, cores, verdict):
    lines = []
    all_limits = {core.name: limits(rows, core) for core in cores}
    for size in sorted(by_size(rows, impl="syscall")):
        line = [size]
        for core in cores:
            limit = all_limits[core.name].get(size)
            if not limit:
                line += ["-", "-"]
                continue
            ratio = limit / by_size(rows, impl="vdso", core=core.name)[size]
            target = OF_LIMIT.get(size, OF_LIMIT_FROM[1] if size >= OF_LIMIT_FROM[0] else 0)
            what = f"{core.name}, {size} bytes, of the limit"
            line += [number(limit), verdict.at_least(what, ratio, target) if target else
                     number(ratio)]
        lines.append(line)
    terminal(f"native: the limit in ns, and how much of it is reached ({OF_LIMIT_FROM[1]:.2f} from "
             f"{OF_LIMIT_FROM[0]} bytes on, " +
             ", ".join(f"{target:.2f} at {size}" for size, target in OF_LIMIT.items()) + ")",
             ["bytes"] + [cell for core in cores for cell in (core.name, "")], lines)


def _against_others(rows, cores, verdict):
    size, target = OF_OPENSSL
    lines = [[f"OpenSSL's ChaCha20 / vDSO, {size} bytes ({target:.2f})"],
             ["minimum of system call / vDSO (1)"]]
    for core in cores:
        ours = by_size(rows, impl="vdso", core=core.name)
        theirs = by_size(rows, impl="openssl-chacha20", core=core.name).get(size)
        lines[0].append(verdict.at_least(f"{core.name}, {size} bytes, of OpenSSL's ChaCha20",
                                         theirs / ours[size], target) if theirs else "-")
        syscall = by_size(rows, impl="syscall")
        slowest = min(ours, key=lambda size, ours=ours: syscall[size] / ours[size])
        lines[1].append(verdict.at_least(f"{core.name}, {slowest} bytes, of the system call",
                                         syscall[slowest] / ours[slowest], 1))
    terminal("native: time of others / time of this project's vDSO",
             ["", *(core.name for core in cores)], lines)


def siblings(rows, cores):
    """The first two cores that run on the same processors: both, and the time of the first divided
    by the time of the second, by size. None if there are no such cores."""
    for first in cores:
        for second in cores:
            ns, other = (by_size(rows, impl="vdso", core=core.name) for core in (first, second))
            if first != second and first.feature == second.feature and ns and other:
                return first, second, {size: ns[size] / other[size] for size in ns}
    return None


def native(found, cores, verdict):
    """Targets of the vDSO function, hosted in a process."""
    rows = found["native"]
    cores = [core for core in cores if select(rows, impl="vdso", core=core.name)]
    if not cores:
        return
    _of_limit(rows, cores, verdict)
    _against_others(rows, cores, verdict)
    for image in dict.fromkeys(row["impl"] for row in rows if row["impl"].startswith("image")):
        lines = [(core.name, by_size(rows, impl="vdso", core=core.name),
                  by_size(rows, impl=image, core=core.name)) for core in cores]
        terminal(f"native: time of this vDSO / time of {image}, by bytes", ["", *lines[0][1]],
                 [[name, *(number(ns / theirs[size] if size in theirs else None)
                           for size, ns in ours.items())] for name, ours, theirs in lines])
    pair = siblings(rows, cores)
    if pair:
        first, second, ratios = pair
        terminal(f"native: time of {first.name} / time of {second.name}, by bytes",
                 ["", *ratios], [["", *map(number, ratios.values())]])


def libraries(found, cores, verdict):
    """Targets of libvgetrandom: no request takes longer with it than without, and a small request
    takes at most a minimal call longer than the vDSO function."""
    rows = found["libraries"]
    here = next((row["libc"] for row in rows), None)

    def time(**match):
        return by_size(rows, **{"where": "native", "libc": here, **match})

    def line(name, ours, theirs):
        return [name, *(verdict.not_slower(f"{name}, {size} bytes", ours[size], theirs[size])
                        if size in ours and size in theirs else "-" for size in sizes)]

    sizes = sorted(by_size(rows, where="native", impl="syscall"))
    newer = time(impl="glibc-2.41", libc="glibc-2.41", call="getrandom")
    lines = [line("this libc: without a vDSO", time(where="no-vdso", impl="libvgetrandom"),
                  time(where="no-vdso", impl=here))]
    if newer:
        lines += [line("glibc 2.41: preloaded", time(impl="libvgetrandom", call="getrandom"),
                       newer),
                  line("glibc 2.41: preloaded on that",
                       time(impl="libvgetrandom", libc="glibc-2.41"), newer)]
        lines += [line(f"glibc 2.41: {core.name}", ours, newer) for core in cores
                  for ours in [time(impl="libvgetrandom", call="vgetrandom", core=core.name)]
                  if ours]
    terminal("libraries: time of others / time of libvgetrandom: at least 1 (except for "
             f"{100 * NOISE_RATIO:.0f} % and {NOISE_NS:.0f} ns of noise)", ["", *sizes], lines)

    least = time(impl="least-call").get(LEAST_BYTES)
    lines = []
    for name, ours, theirs in (
            ("preloaded", time(impl="libvgetrandom", call="getrandom"), time(impl="kernel-vdso")),
            ("on this project's vDSO", time(where="our-vdso", impl="libvgetrandom"),
             time(where="our-vdso", impl="kernel-vdso")),
            ("glibc 2.41", newer, time(impl="kernel-vdso"))):
        small = [size for size in sizes if size <= LEAST_BYTES and size in ours and size in theirs]
        cells = {size: number(ours[size] - theirs[size]) for size in small}
        if least and name != "glibc 2.41":
            for size in small:
                cells[size] += "" if verdict.at_most_ns(
                    f"{name}, {size} bytes, more than the vDSO function",
                    ours[size] - theirs[size], least + NOISE_NS) else "!"
        lines.append([name, *(cells.get(size, "-") for size in sizes if size <= LEAST_BYTES)])
    if least:
        terminal("libraries: ns more than a call of the vDSO function: at most the minimal call, "
                 f"{least:.1f} ns (and {NOISE_NS:.0f} ns of noise)",
                 ["", *(size for size in sizes if size <= LEAST_BYTES)], lines)
    _syscall(rows, here, verdict)
    _rand_bytes(rows, verdict)
    _module(found, cores, verdict)


def _syscall(rows, here, verdict):
    """Other system calls through the library's syscall()."""
    theirs, ours = (by_size(rows, impl=impl, call="other-syscall").get(LEAST_BYTES)
                    for impl in (here, "libvgetrandom"))
    if theirs and ours:
        verdict.at_most_ns("syscall(SYS_getpid), more than libc's", ours - theirs, OTHER_SYSCALL_NS)
        terminal("libraries: ns of syscall(SYS_getpid); preloaded, at most "
                 f"{OTHER_SYSCALL_NS:.0f} ns more", ["libc's", "preloaded"],
                 [[number(theirs), number(ours)]])


def _rand_bytes(rows, verdict):
    """Targets of OpenSSL with the provider."""
    lines = []
    for name, (without, provider, target) in OF_OPENSSL_RAND.items():
        theirs, ours, module_too = (
            by_size(rows, where=where, impl="openssl").get(LEAST_BYTES)
            for where in (without, provider, provider + "-module"))
        if theirs and ours:
            what = f"RAND_bytes({LEAST_BYTES}) of OpenSSL {name}"
            lines.append([f"{what} ({target:.1f})", number(theirs), number(ours),
                          verdict.at_least(what, theirs / ours, target),
                          *_and_module(theirs, module_too)])
    if lines:
        terminal("libraries: ns without the provider and with it", WITH_AND_WITHOUT, lines)


WITH_AND_WITHOUT = ["", "without", "with", "speedup", "module loaded", "speedup"]


def _and_module(without, ns):
    """Cells: ns with the module also loaded, and speedup."""
    return [number(ns), number(without / ns if ns else None)]


def programs(found, verdict):
    """Targets of programs with and without libvgetrandom."""
    lines = []
    for (package, does), target in OF_PROGRAMS.items():
        for row in select(found["programs"], program=package, does=does):
            lines.append([f"{package}: {does} ({target:.1f})", number(row["without"]),
                          number(row["with"]),
                          verdict.at_least(does, row["without"] / row["with"], target),
                          *_and_module(row["without"], row["module"])])
    if lines:
        terminal("programs: ns without libvgetrandom and with it", WITH_AND_WITHOUT, lines)


OTHERS = {"glibc 2.36": {"impl": "glibc-2.36", "call": "getrandom"},
          "glibc 2.41": {"impl": "glibc-2.41", "call": "getrandom"},
          "stock vDSO": {"impl": "kernel-vdso"}, "system call": {"impl": "syscall"}}


def module(found, core, where="module"):
    """ns by size of libvgetrandom with the module's page, and of the vDSO function, with a core."""
    return (by_size(found["libraries"], where=where, impl="libvgetrandom", core=core),
            by_size(found["libraries"], where="our-vdso", impl="vdso", core=core))


def _module(found, cores, verdict):
    """With the module's page, the library is about as fast as the vDSO function, in either kind of
    memory."""
    sizes = sorted(by_size(found["libraries"], where="native", impl="syscall"))
    lines = []
    for where in ("module", "module-locked"):
        for core in cores:
            ours, vdso = module(found, core.name, where)
            if not ours or not vdso:
                continue
            lines.append([core.name if where == "module" else f"{core.name}, locked"])
            for size in sizes:
                target = OF_VDSO.get(size, OF_VDSO_FROM[1] if size >= OF_VDSO_FROM[0] else 0)
                ratio = ours[size] / vdso[size]
                what = f"{where}, {core.name}, {size} bytes, of the vDSO's time"
                lines[-1].append(verdict.at_most(what, ratio, target) if target else
                                 number(ratio))
    if not lines:
        return
    terminal("libraries: time with the module's page / time of the vDSO function (" +
             ", ".join(f"{target:.2f} at {size}" for size, target in OF_VDSO.items()) +
             f", {OF_VDSO_FROM[1]:.2f} from {OF_VDSO_FROM[0]} bytes on)", ["", *sizes], lines)
    core = chosen_core(found)
    ours = module(found, core)[0]
    terminal(f"libraries: time of others / time with the module's page, {core}", ["", *sizes],
             [[name, *(number(ns[size] / ours[size]) for size in sizes)]
              for name, match in OTHERS.items() if ours
              for ns in [by_size(found["libraries"], where="native", **match)] if ns])


def start(found, verdict):
    """Targets of starting a process with libvgetrandom preloaded."""
    values = {(row["impl"], row["name"]): row["value"] for row in found["start"]}
    lines = []
    for impl in ("libvgetrandom", "libvgetrandom, module"):
        lines.append([impl])
        for name, target in [*MORE_THAN_EMPTY.items(), FIRST_REQUESTS]:
            ns = values[impl, name] - (values["empty", name] if name in MORE_THAN_EMPTY else 0)
            lines[-1].append(f"{ns / 1000:.1f}" + ("" if verdict.at_most_ns(f"{impl}: {name}", ns,
                                                                            target) else "!"))
    terminal("start: us more than with an empty library (" +
             ", ".join(f"{target / 1000:.0f}" for target in MORE_THAN_EMPTY.values()) +
             f"), and us for two requests ({FIRST_REQUESTS[1] / 1000:.0f})",
             ["", *MORE_THAN_EMPTY, FIRST_REQUESTS[0]], lines)


def module_loaded(found):
    """ns of getrandom(2) in the guest without the module, with it, and again without, by size and
    by "least" or "median"."""
    return {(size, how): [row["ns"] for row in select(found["module"], bytes=size, how=how)]
            for size in sorted({row["bytes"] for row in found["module"]})
            for how in ("least", "median")}


def guest_module(found, verdict):
    """Target: a loaded module does not slow down getrandom(2)."""
    lines = []
    for (size, how), (without, loaded, again) in module_loaded(found).items():
        ratio = verdict.not_slower(f"getrandom(2), {size} bytes, the module is loaded", loaded,
                                   without) if how == "least" else number(without / loaded)
        lines.append([f"{size}, {how}", number(without), number(loaded), ratio,
                      number(without / again)])
    terminal("module: ns of getrandom(2); time without the module / time with it; and, as noise, "
             f"/ second time without it (at least 1, except for {100 * NOISE_RATIO:.0f} % and "
             f"{NOISE_NS:.0f} ns of noise)", ["bytes", "without", "loaded", "", "noise"], lines)
