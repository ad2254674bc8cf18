# SPDX-License-Identifier: MIT
"""The pictures: what is in each, and their drawing, which gnuplot does."""

import os
import re
import subprocess
from html import escape
from typing import Callable, NamedTuple

import results

HERE = os.path.dirname(os.path.abspath(__file__))


class Picture(NamedTuple):
    """A picture.

    name: of its files; title: above it; axis: below it; note: what it shows, in a
    sentence; figures: those of a series, y by x; x_ticks, y_ticks: labels by value.
    """
    name: str
    title: str
    axis: str
    note: str
    figures: Callable
    x_ticks: dict
    y_ticks: dict


class Style(NamedTuple):
    """How a series looks: its colours, gnuplot's dash and point type, its width."""
    light: str
    dark: str
    dash: str
    point: int
    width: float


# Told apart without colours too: no two have the same points. Ours are solid, and
# filled.
STYLES = {
    "ours-avx512": Style("#08306b", "#cfe5ff", "solid", 7, 3),
    "ours-avx512vl": Style("#0072b2", "#56b4e9", "solid", 5, 3),
    "ours-avx2": Style("#3a8fd6", "#3a8fd6", "solid", 9, 3),
    "ours-sse2": Style("#00856a", "#00c79a", "solid", 13, 3),
    "kernel-vdso": Style("#d55e00", "#ff8a3d", "(16,4)", 11, 2),
    "syscall": Style("#333333", "#f0f0f0", "(5,4)", 2, 2),
    "glibc-2.41": Style("#8a6100", "#f0c24a", "(2,4)", 6, 2),
    "libbsd": Style("#7b3fa0", "#c99be6", "(12,4,2,4)", 4, 2),
    "openssl": Style("#c2348a", "#ff86c8", "(8,3,8,3,2,3)", 8, 2),
    "libsodium": Style("#6f7680", "#a5adb8", "(4,2)", 12, 2),
}

# Paper, ink, and lines that are not to be looked at.
THEMES = {
    "light": ("#ffffff", "#1f2328", "#d8dee4"),
    "dark": ("#0d1117", "#e6edf3", "#30363d"),
}


def _powers(base, first, last, label):
    return {base ** n: label(n) for n in range(first, last + 1)}


def _bytes_label(size):
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return str(size)


def _scaled(units):
    """Labels of powers of ten, by the units that there are for each third one."""
    return lambda n: f"{10 ** (n % 3)} {units[n // 3]}"


SIZES = {size: _bytes_label(size) if n % 2 == 0 else "" for n, size in
         enumerate(4 ** n for n in range(11))}
TIMES = _powers(10, 0, 9, _scaled(("ns", "µs", "ms", "s")))
RATES = {**_powers(10, -2, -1, lambda n: f"{10 ** n:g} MB/s"),
         **_powers(10, 0, 6, _scaled(("MB/s", "GB/s", "TB/s")))}
RATIOS = _powers(2, -6, 10, lambda n: f"{2 ** n}x" if n >= 0 else f"1/{2 ** -n}x")
CALLS = _powers(10, -3, 6, lambda n: f"{10 ** n:g} M/s" if n < 3 else f"{10 ** (n - 3)} G/s")


def pictures(figures):
    """All of them, of these results."""
    all_threads = {threads: str(threads) for threads in figures.threads}
    return (
        Picture("time", "Time per call, one thread", "bytes per call",
                "How long a call takes, by how many bytes it asks for. Lower is better.",
                figures.time_by_size, SIZES, TIMES),
        Picture("throughput", "Throughput, one thread", "bytes per call",
                "How many bytes come in a second, by how many a call asks for; "
                "1 MB is 1000000 bytes. Higher is better.",
                figures.throughput_by_size, SIZES, RATES),
        Picture("threads", f"Calls for {figures.bytes} bytes a second, all threads",
                "threads, each on a processor of its own",
                f"How many millions of calls for {figures.bytes} bytes all threads make "
                "in a second. Higher is better; a line that goes up with the threads is "
                "one where they do not wait for each other.",
                figures.calls_by_threads, all_threads, CALLS),
        Picture("ratio", "Times as fast as the system call", "bytes per call",
                "The time of the system call over that of a call, one thread. Higher is "
                "better; below 1x the system call is the faster one.",
                figures.ratio_by_size, SIZES, RATIOS),
    )


def _quoted(text):
    return "'" + text.replace("'", "''") + "'"


def _ticks(axis, ticks, values):
    """Labels at the values that there are, and one beyond on either side."""
    known = sorted(ticks)
    low = max([at for at in known if at <= min(values)], default=known[0])
    high = min([at for at in known if at >= max(values)], default=known[-1])
    shown = ", ".join(f"{_quoted(ticks[at])} {at!r}" for at in known if low <= at <= high)
    # So that points on the edge are whole; and a label there is no victim of rounding.
    room = 1.25 if axis == "x" else 1.001
    return [f"set {axis}tics ({shown})",
            f"set {axis}range [{min(low, min(values)) / room!r}:"
            f"{max(high, max(values)) * room!r}]"]


def script(picture, theme, present):
    """What gnuplot is to do. Each series of present gets a line."""
    paper, ink, faint = THEMES[theme]
    lines = [f"paper = '{paper}'", f"ink = '{ink}'", f"faint = '{faint}'",
             f"load {_quoted(os.path.join(HERE, 'look.gp'))}",
             f"set title {_quoted(picture.title)}", f"set xlabel {_quoted(picture.axis)}"]
    plots = []
    values = {series.name: picture.figures(series) for series in present}
    for number, series in enumerate(present, 1):
        style = STYLES[series.name]
        color = style.light if theme == "light" else style.dark
        lines.append(f"set style line {number} lc rgb '{color}' dt {style.dash} "
                     f"lw {style.width} pt {style.point} ps 0.8")
        lines.append(f"$data{number} << END")
        lines += [f"{x} {y!r}" for x, y in sorted(values[series.name].items())]
        lines.append("END")
        plots.append(f"$data{number} using 1:2 with linespoints ls {number} "
                     f"title {_quoted(series.label)}")
    lines += _ticks("x", picture.x_ticks, [x for own in values.values() for x in own])
    lines += _ticks("y", picture.y_ticks, [y for own in values.values() for y in own.values()])
    lines.append("plot " + ", \\\n\t".join(plots))
    return "\n".join(lines) + "\n"


def _finished(svg, picture, present):
    """Gnuplot's output, with what it has no words for."""
    start = svg.index("<svg")
    svg = re.sub(r"<title>.*?</title>\s*<desc>.*?</desc>",
                 lambda _: f"<title>{escape(picture.title)}</title>\n"
                           f"<desc>{escape(picture.note)}</desc>",
                 svg[start:], count=1, flags=re.S)
    svg = svg.replace("<svg", '<svg role="img"', 1)
    for number, series in enumerate(present, 1):
        svg = svg.replace(f"<title>gnuplot_plot_{number}</title>",
                          f"<title>{escape(series.label)}</title>", 1)
    return "<!-- SPDX-License-Identifier: MIT -->\n" + \
        "\n".join(line.rstrip() for line in svg.splitlines() if line.strip()) + "\n"


def draw(figures, out):
    """Write all pictures, NAME-light.svg and NAME-dark.svg, into a folder."""
    assert {series.name for series in results.SERIES} == set(STYLES)
    for picture in pictures(figures):
        for theme in THEMES:
            done = subprocess.run(["gnuplot"], input=script(picture, theme, figures.present),
                                  capture_output=True, check=False, encoding="utf-8")
            if done.returncode or done.stderr or "</svg>" not in done.stdout:
                raise results.Missing(f"gnuplot does not draw {picture.name}: "
                                      f"{done.stderr.strip() or 'nothing is drawn'}")
            path = os.path.join(out, f"{picture.name}-{theme}.svg")
            with open(path, "w", encoding="utf-8") as file:
                file.write(_finished(done.stdout, picture, figures.present))
