# SPDX-License-Identifier: MIT
"""A page with the pictures, the tables of bench/README.md, and how they were measured."""

import base64
import os
import re
from html import escape
from string import Template

import pictures
from results import Missing

HERE = os.path.dirname(os.path.abspath(__file__))

# The sections of bench/README.md with figures: see tables.py.
SECTIONS = (("bench", "The vDSO"), ("lib", "libvgetrandom"),
            ("programs", "Programs with and without libvgetrandom"))


def _inline(text):
    """Convert Markdown in a line: the tables use only code and bold."""
    text = re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text, quote=False))
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text)


def _cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _row(tag, cells, kinds):
    return "<tr>" + "".join(f"<{tag}{kind}>{_inline(cell)}</{tag}>"
                            for cell, kind in zip(cells, kinds, strict=True)) + "</tr>"


def _table(lines):
    kinds = [' class="number"' if cell.endswith(":") else "" for cell in _cells(lines[1])]
    return "\n".join(['<div class="table" tabindex="0"><table>',
                      "<thead>" + _row("th", _cells(lines[0]), kinds) + "</thead>", "<tbody>",
                      *[_row("td", _cells(line), kinds) for line in lines[2:]],
                      "</tbody></table></div>"])


def _html(markdown):
    blocks = [block.splitlines() for block in re.split(r"\n\s*\n", markdown.strip())]
    return "\n".join(_table(lines) if lines[0].startswith("|") else
                     "<p>" + _inline(" ".join(lines)) + "</p>" for lines in blocks)


def _tables(text):
    parts = []
    for name, title in SECTIONS:
        found = re.search(f"^<!-- {name}:begin -->\n(.*?)^<!-- {name}:end -->$", text,
                          flags=re.S | re.M)
        if not found:
            raise Missing(f"bench/README.md has no tables between {name}:begin and {name}:end")
        parts.append(f"<h3>{escape(title)}</h3>\n{_html(found[1])}")
    return "\n".join(parts)


def _data(path):
    with open(path, "rb") as file:
        return "data:image/svg+xml;base64," + base64.b64encode(file.read()).decode()


def _figure(picture, out):
    data = _data(os.path.join(out, picture.name + ".svg"))
    return (f'<figure id="{picture.name}"><img src="{data}" width="{pictures.WIDTH}" '
            f'height="{pictures.HEIGHT}" alt="{escape(picture.title)}"/>'
            f"<figcaption>{escape(picture.note)}</figcaption></figure>")


def _machine(host, threads):
    rows = (("processor", host["cpu"]), ("kernel", "Linux " + host["kernel"]),
            ("compiler", host["compiler"]), ("measured", host["date"]),
            ("threads", f"up to {threads[-1]}, one on each processor"))
    return "\n".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in rows)


def write(found, figures, readme, out):
    """Write index.html into the directory where the pictures are. readme: bench/README.md."""
    warning = absent = ""
    if found["quick"]:
        warning = ('<p class="warn">Measured with QUICK=1: enough to see that all works, too '
                   "short for reliable figures.</p>")
    if figures.absent:
        names = ", ".join(series.label for series in figures.absent)
        absent = f"<p>Not available on this machine: {escape(names)}.</p>"
    with open(os.path.join(HERE, "page.html"), encoding="utf-8") as file:
        page = Template(file.read()).substitute(
            warning=warning, absent=absent, machine=_machine(found["host"], figures.threads),
            tables=_tables(readme),
            pictures="\n".join(_figure(picture, out) for picture in pictures.pictures(figures)))
    with open(os.path.join(out, "index.html"), "w", encoding="utf-8") as file:
        file.write(page)
