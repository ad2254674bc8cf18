# SPDX-License-Identifier: MIT
"""Numbers and tables, for terminals and for Markdown."""


def digits(value):
    """At least two digits."""
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def duration(ns):
    """A time with a unit."""
    for limit, scale, unit in ((999.5, 1, "ns"), (999500, 1e3, "us"), (1e99, 1e6, "ms")):
        if ns < limit:
            return f"{digits(ns / scale)} {unit}"
    return "-"


def times(value):
    """A ratio in brackets."""
    return f"({digits(value)}x)"


def number(value):
    """About four digits, whatever the magnitude."""
    if value is None:
        return "-"
    return f"{value:.{2 if abs(value) < 9.995 else 1 if abs(value) < 999.95 else 0}f}"


def terminal(title, heading, lines):
    """Print a table: first column left-aligned, the others right-aligned."""
    cells = [[str(cell) for cell in line] for line in [heading, *lines]]
    widths = [max(len(line[n]) for line in cells) for n in range(len(heading))]
    print(f"\n{title}")
    for line in cells:
        print("  ".join([line[0].ljust(widths[0])] +
                        [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]).rstrip())


def markdown(heading, lines, left=0):
    """A table as text. left: the number of left-aligned columns."""
    rule = ["---" if n < left else "---:" for n in range(len(heading))]
    return "\n".join(["| " + " | ".join(heading) + " |", "|" + "|".join(rule) + "|",
                      *("| " + " | ".join(line) + " |" for line in lines)])
