# SPDX-License-Identifier: MIT
"""The pictures: the contents of each, and how they are drawn as standalone SVG.

One file serves light and dark themes through its style sheet. The pictures are narrow, with large
letters, so that they stay legible on a phone.
"""

import math
import os
from html import escape
from typing import Callable, NamedTuple

import places
from results import Missing, by_size
from tables import by_threads


class Series(NamedTuple):
    """A line of the pictures.

    name: for programs; label: for readers; array: the array with its times by size; match: fields
    that select its rows; style: its look.
    """
    name: str
    label: str
    array: str
    match: dict
    style: "Style"


class Style(NamedTuple):
    """Colours, dashes, the path of a point and whether to fill it, and the line width."""
    light: str
    dark: str
    dash: str
    point: str
    is_filled: bool
    width: float


# Readable without colours too: each series has its own point. This project's cores have solid
# lines and filled points.
CORE_STYLES = (
    Style("#08306b", "#cfe5ff", "", "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z", True, 3),
    Style("#0072b2", "#56b4e9", "", "M-4.5-4.5h9v9h-9z", True, 3),
    Style("#3a8fd6", "#3a8fd6", "", "M0-5.5L5 4h-10z", True, 3),
    Style("#00856a", "#00c79a", "", "M0-6L6 0L0 6L-6 0z", True, 3),
    Style("#5b6a00", "#b5c800", "", "M0 5.5L5-4h-10z", True, 3),
)
OTHERS = (
    ("kernel-vdso", "stock vDSO", "native", {"impl": "kernel-vdso"},
     Style("#d55e00", "#ff8a3d", "16 4", "M0 6L5.5-4h-11z", False, 2)),
    ("syscall", "system call", "native", {"impl": "syscall"},
     Style("#333333", "#f0f0f0", "5 4", "M-4-4L4 4M-4 4L4-4", False, 2)),
    ("glibc-2.41", "glibc 2.41 getrandom", "libraries", {"impl": "glibc-2.41", "call": "getrandom"},
     Style("#8a6100", "#f0c24a", "2 4", "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z", False, 2)),
    ("libbsd", "libbsd arc4random", "libraries", {"impl": "libbsd"},
     Style("#7b3fa0", "#c99be6", "12 4 2 4", "M-4.5-4.5h9v9h-9z", False, 2)),
    ("openssl", "OpenSSL RAND_bytes", "libraries", {"impl": "openssl"},
     Style("#c2348a", "#ff86c8", "8 3 8 3 2 3", "M0-6L5.5 4h-11z", False, 2)),
    ("libsodium", "libsodium, internal", "libraries", {"impl": "libsodium-internal"},
     Style("#6f7680", "#a5adb8", "4 2", "M0-6L6 0L0 6L-6 0z", False, 2)),
)

# Background, text and lines, and the grid.
THEMES = {
    "light": ("#ffffff", "#1f2328", "#d8dee4"),
    "dark": ("#0d1117", "#e6edf3", "#30363d"),
}

WIDTH, HEIGHT = 500, 620
LEFT, RIGHT, TOP, BOTTOM = 102, 478, 47, 388
ROWS_OF_NAMES = 5


def all_series():
    """All series, in drawing and legend order."""
    ours = [Series(f"vgetrandom-{core.name}", f"vgetrandom, {core.log}", "native",
                   {"impl": "vdso", "core": core.name}, CORE_STYLES[number % len(CORE_STYLES)])
            for number, core in enumerate(places.cores())]
    return ours + [Series(*other) for other in OTHERS]


class Figures:
    """The results to draw.

    present: the series that were measured; absent: those that were not; bytes: the size of a call
    in the figures by threads; threads: the numbers of threads.
    """

    def __init__(self, found):
        self._found = found
        for array in ("native", "libraries", "scaling"):
            if not found[array]:
                raise Missing(f'there are no rows in "{array}"')
        # Ratios use the system call's time from the same run.
        sizes = {array: set(by_size(found[array], where="native", impl="syscall"))
                 for array in ("native", "libraries")}
        for array, known in sizes.items():
            if not known:
                raise Missing(f'"{array}" has no rows of the system call')
        self.present, self.absent = [], []
        for series in all_series():
            got = set(self.time(series))
            lacking = sizes[series.array] - got
            if got and lacking:
                raise Missing(f'"{series.array}" has no row of {series.name} for {min(lacking)} '
                              "bytes")
            (self.present if got else self.absent).append(series)
        if not any(series.match["impl"] == "vdso" for series in self.present):
            raise Missing('"native" has no row with "impl": "vdso"')
        self._check_threads()

    def _check_threads(self):
        sizes = {row["bytes"] for row in self._found["scaling"]}
        if len(sizes) != 1:
            raise Missing('the rows of "scaling" are of more than one size')
        self.bytes = sizes.pop()
        self.threads = sorted(by_threads(self._found["native"], self.bytes, impl="syscall"))
        if not self.threads:
            raise Missing(f'"native" has no row of the system call for {self.bytes} bytes')
        for series in self.present:
            lacking = set(self.threads) - set(self._time_by_threads(series))
            if lacking:
                raise Missing(f'there is no row of {series.name} with {min(lacking)} threads')

    def _time_by_threads(self, series):
        array = "scaling" if series.array == "libraries" else series.array
        return by_threads(self._found[array], self.bytes, **series.match)

    def time(self, series):
        """Nanoseconds per call by size, for one thread."""
        return by_size(self._found[series.array], where="native", **series.match)

    def throughput(self, series):
        """Megabytes per second by size, for one thread."""
        return {size: size * 1e3 / ns for size, ns in self.time(series).items()}

    def ratio(self, series):
        """Speedup over the system call by size, for one thread."""
        syscall = by_size(self._found[series.array], where="native", impl="syscall")
        return {size: syscall[size] / ns for size, ns in self.time(series).items()
                if size in syscall}

    def calls(self, series):
        """Millions of calls per second by threads, for all threads together."""
        return {threads: threads * 1e3 / ns
                for threads, ns in self._time_by_threads(series).items()}


class Picture(NamedTuple):
    """A picture.

    name: of its file; title: above it; axis: below it; note: a sentence about it; figures: the
    values of a series, y by x; x_ticks, y_ticks: labels by value.
    """
    name: str
    title: str
    axis: str
    note: str
    figures: Callable
    x_ticks: dict
    y_ticks: dict


def _powers(base, first, last, label):
    return {base ** n: label(n) for n in range(first, last + 1)}


def _bytes_label(size):
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return str(size)


def _scaled(units):
    """Labels of powers of ten, with a unit for every third power."""
    return lambda n: f"{10 ** (n % 3)} {units[n // 3]}"


SIZES = {size: _bytes_label(size) if n % 2 == 0 else "" for n, size in
         enumerate(4 ** n for n in range(11))}
TIMES = _powers(10, 0, 9, _scaled(("ns", "µs", "ms", "s")))
RATES = {**_powers(10, -2, -1, lambda n: f"{10 ** n:g} MB/s"),
         **_powers(10, 0, 6, _scaled(("MB/s", "GB/s", "TB/s")))}
RATIOS = _powers(2, -6, 10, lambda n: f"{2 ** n}x" if n >= 0 else f"1/{2 ** -n}x")
CALLS = _powers(10, -3, 6, lambda n: f"{10 ** n:g} M/s" if n < 3 else f"{10 ** (n - 3)} G/s")


def pictures(figures):
    """All pictures of these figures."""
    return (
        Picture("time", "Time per call, one thread", "bytes per call",
                "Time of a call by the number of bytes it requests. Lower is better.",
                figures.time, SIZES, TIMES),
        Picture("throughput", "Throughput, one thread", "bytes per call",
                "Bytes per second by the number of bytes that a call requests; "
                "1 MB is 1000000 bytes. Higher is better.",
                figures.throughput, SIZES, RATES),
        Picture("threads", f"Calls for {figures.bytes} bytes per second, all threads",
                "threads, each on its own processor",
                f"Millions of calls for {figures.bytes} bytes per second, all threads "
                "together. Higher is better. If a line rises with the threads, they do "
                "not wait for each other.",
                figures.calls, {threads: str(threads) for threads in figures.threads}, CALLS),
        Picture("ratio", "Speedup over the system call", "bytes per call",
                "Time of the system call divided by the time of a call, one thread. Higher is "
                "better; below 1x the system call is faster.",
                figures.ratio, SIZES, RATIOS),
    )


class Axis:
    """A logarithmic axis from coordinate first to last, for these values.

    ticks: labels by value; those in range are shown, and one more on either side.
    """

    def __init__(self, ticks, values, first, last):
        known = sorted(ticks)
        low = max([at for at in known if at <= min(values)], default=known[0])
        high = min([at for at in known if at >= max(values)], default=known[-1])
        self.ticks = {at: ticks[at] for at in known if low <= at <= high}
        low, high = min(low, min(values)), max(high, max(values))
        self._low, self._first = math.log(low), first
        self._scale = (last - first) / (math.log(high) - self._low or 1)

    def place(self, value):
        """The coordinate of a value."""
        return self._first + self._scale * (math.log(value) - self._low)


def _style_sheet(present):
    """The style sheet: classes ink, faint, paper, and s0, s1 ... of the series, for both themes."""
    rules = []
    for number, theme in enumerate(THEMES):
        colors = dict(zip(("paper", "ink", "faint"), THEMES[theme]))
        colors.update((f"s{n}", getattr(series.style, theme)) for n, series in enumerate(present))
        own = "\n".join(f".{name} {{ color: {color}; }}" for name, color in colors.items())
        rules.append(own if not number else
                     f"@media (prefers-color-scheme: {theme}) {{\n{own}\n}}")
    return "<style>\ntext { fill: currentColor; stroke: none; }\n" + "\n".join(rules) + "\n</style>"


def _frame(picture, x_axis, y_axis):
    lines = []
    for at, label in x_axis.ticks.items():
        x = x_axis.place(at)
        lines.append(f'<path class="faint" d="M{x:.1f} {TOP}V{BOTTOM}"/>')
        if label:
            lines.append(f'<text x="{x:.1f}" y="{BOTTOM + 22}" text-anchor="middle">'
                         f"{escape(label)}</text>")
    for at, label in y_axis.ticks.items():
        y = y_axis.place(at)
        lines.append(f'<path class="faint" d="M{LEFT} {y:.1f}H{RIGHT}"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{y + 6:.1f}" text-anchor="end">'
                     f"{escape(label)}</text>")
    middle = (LEFT + RIGHT) / 2
    return lines + [
        f'<path d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"/>',
        f'<text x="{WIDTH / 2:g}" y="27" font-size="19" text-anchor="middle">'
        f"{escape(picture.title)}</text>",
        f'<text x="{middle:g}" y="{BOTTOM + 46}" text-anchor="middle">'
        f"{escape(picture.axis)}</text>"]


def _series(number, series, points):
    """A series: its line with points, and its legend below the frame."""
    style = series.style
    dash = f' stroke-dasharray="{style.dash}"' if style.dash else ""
    x, y = 12 + number // ROWS_OF_NAMES * 262, 466 + number % ROWS_OF_NAMES * 32
    marker = "".join(f' marker-{where}="url(#m{number})"' for where in ("start", "mid", "end"))
    fill = "currentColor" if style.is_filled else "none"
    return [
        f'<marker id="m{number}" class="s{number}" markerUnits="userSpaceOnUse" markerWidth="16" '
        f'markerHeight="16" viewBox="-8 -8 16 16"><path d="{style.point}" fill="{fill}" '
        'stroke="currentColor" stroke-width="1.5"/></marker>',
        f'<g class="s{number}" stroke-width="{style.width}"{dash}>',
        f"<title>{escape(series.label)}</title>",
        f'<polyline{marker} points="' + " ".join(f"{px:.1f},{py:.1f}" for px, py in points) + '"/>',
        f'<polyline{marker} points="{x},{y} {x + 20},{y} {x + 40},{y}"/>', "</g>",
        f'<text x="{x + 50}" y="{y + 5}" font-size="13.5">{escape(series.label)}'
        "</text>"]


def svg(picture, present):
    """The SVG text of a picture with these series."""
    values = [picture.figures(series) for series in present]
    # The margin keeps points on the edge whole.
    x_axis = Axis(picture.x_ticks, [x for own in values for x in own], LEFT + 10, RIGHT - 14)
    y_axis = Axis(picture.y_ticks, [y for own in values for y in own.values()], BOTTOM, TOP)
    lines = ["<!-- SPDX-License-Identifier: MIT -->",
             f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" '
             f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="17">',
             f"<title>{escape(picture.title)}</title>", f"<desc>{escape(picture.note)}</desc>",
             _style_sheet(present),
             f'<rect class="paper" fill="currentColor" width="{WIDTH}" height="{HEIGHT}"/>',
             '<g class="ink" fill="none" stroke="currentColor">', *_frame(picture, x_axis, y_axis)]
    for number, (series, own) in enumerate(zip(present, values)):
        lines += _series(number, series, [(x_axis.place(x), y_axis.place(y))
                                          for x, y in sorted(own.items())])
    return "\n".join(lines + ["</g>", "</svg>", ""])


def draw(figures, out):
    """Write all pictures, NAME.svg, into a directory."""
    for picture in pictures(figures):
        with open(os.path.join(out, picture.name + ".svg"), "w", encoding="utf-8") as file:
            file.write(svg(picture, figures.present))
