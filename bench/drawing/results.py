# SPDX-License-Identifier: MIT
"""What is drawn of build/bench/results.json, and whether it is all there."""

import json
from typing import NamedTuple


class Missing(Exception):
    """Something that is to be drawn has not been measured; says what."""


class Series(NamedTuple):
    """One line of the pictures.

    name: for programs; label: for people; array: where its time by size is;
    match: what its rows have; is_ours: with one of our ChaCha20 cores.
    """
    name: str
    label: str
    array: str
    match: dict
    is_ours: bool = False


def _core(core, label):
    return Series("ours-" + core, "ours, " + label, "rows", {"impl": "vdso", "core": core}, True)


SYSCALL = Series("syscall", "system call", "rows", {"impl": "syscall"})

# In this order they are drawn and named.
SERIES = (
    _core("avx512", "AVX-512 (zmm)"),
    _core("avx512vl", "AVX-512 (ymm)"),
    _core("avx2", "AVX2"),
    _core("sse2", "SSE2"),
    Series("kernel-vdso", "kernel's own vDSO", "rows", {"impl": "kernel-vdso"}),
    SYSCALL,
    Series("glibc-2.41", "glibc 2.41 getrandom", "libraries",
           {"impl": "glibc-2.41", "call": "getrandom"}),
    Series("libbsd", "libbsd arc4random", "libraries", {"impl": "libbsd"}),
    Series("openssl", "OpenSSL RAND_bytes", "libraries", {"impl": "openssl"}),
    Series("libsodium", "libsodium, internal", "libraries", {"impl": "libsodium-internal"}),
)


class Results:
    """The figures of one results.json.

    host, quick: as there; present: the series that took part; absent: those that did
    not; bytes: of each call of the figures by threads; threads: how many there were.
    """

    def __init__(self, path):
        try:
            with open(path, encoding="utf-8") as file:
                self._all = json.load(file)
        except (OSError, ValueError) as error:
            raise Missing(f"it cannot be read: {error}") from error
        if not isinstance(self._all, dict):
            raise Missing("it is not an object")
        self.host = self._all.get("host", {})
        for name in ("cpu", "kernel", "compiler", "date"):
            if not self.host.get(name):
                raise Missing(f'"host" does not say "{name}"')
        self.quick = bool(self._all.get("quick"))
        for name in ("rows", "libraries", "scaling"):
            if not self._all.get(name):
                raise Missing(f'there are no rows in "{name}"')
        self._check_series()

    def _check_series(self):
        # What is compared with the system call, is with that of the same program.
        sizes = {array: set(self._by_size(array, SYSCALL.match)) for array in
                 ("rows", "libraries")}
        for array, known in sizes.items():
            if not known:
                raise Missing(f'"{array}" has no rows of the system call')
        self.present = []
        self.absent = []
        for series in SERIES:
            got = set(self.time_by_size(series))
            lacking = sizes[series.array] - got
            if got and lacking:
                raise Missing(f'"{series.array}" has no row of {series.name} for '
                              f"{min(lacking)} bytes")
            (self.present if got else self.absent).append(series)
        if not any(series.is_ours for series in self.present):
            raise Missing('"rows" has none of ours: "impl": "vdso"')
        self._check_threads()

    def _check_threads(self):
        sizes = {row["bytes"] for row in self._all["scaling"]}
        if len(sizes) != 1:
            raise Missing('the rows of "scaling" are of more than one size')
        self.bytes = sizes.pop()
        self.threads = sorted(self._by_threads("rows", SYSCALL.match))
        if not self.threads:
            raise Missing(f'"rows" has no row of the system call for {self.bytes} bytes')
        for series in self.present:
            array = "scaling" if series.array == "libraries" else "rows"
            lacking = set(self.threads) - set(self.time_by_threads(series))
            if lacking:
                raise Missing(f'"{array}" has no row of {series.name} with '
                              f"{min(lacking)} threads")

    def _rows(self, array, match):
        for row in self._all[array]:
            if row.get("where") == "native" and \
               all(row.get(name) == value for name, value in match.items()):
                if not row.get("ns_per_call", 0) > 0:
                    raise Missing(f'this row of "{array}" has no time: {row}')
                yield row

    def _by_size(self, array, match):
        return {row["bytes"]: row["ns_per_call"] for row in self._rows(array, match)
                if row.get("threads", 1) == 1}

    def _by_threads(self, array, match):
        return {row["threads"]: row["ns_per_call"] for row in self._rows(array, match)
                if row["bytes"] == self.bytes}

    def time_by_size(self, series):
        """Nanoseconds of a call by bytes, of one thread."""
        return self._by_size(series.array, series.match)

    def throughput_by_size(self, series):
        """Megabytes a second by bytes of a call, of one thread."""
        return {size: size * 1e3 / ns for size, ns in self.time_by_size(series).items()}

    def ratio_by_size(self, series):
        """How many times as fast as the system call, by bytes, of one thread."""
        syscall = self._by_size(series.array, SYSCALL.match)
        return {size: syscall[size] / ns for size, ns in self.time_by_size(series).items()
                if size in syscall}

    def time_by_threads(self, series):
        """Nanoseconds of a call of each thread, by threads."""
        return self._by_threads("scaling" if series.array == "libraries" else "rows",
                                series.match)

    def calls_by_threads(self, series):
        """Millions of calls a second of all threads together, by threads."""
        return {threads: threads * 1e3 / ns
                for threads, ns in self.time_by_threads(series).items()}
