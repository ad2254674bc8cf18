# SPDX-License-Identifier: MIT
"""Looks for the patterns of words.list in the prose of files; see words."""

import bisect
import io
import os
import re
import sys
import tokenize

HERE = os.path.dirname(os.path.abspath(__file__))
C_LIKE = (".c", ".h", ".S", ".java", ".js", ".go", ".rs", ".php", ".lds", ".in")
C_TOKEN = re.compile(r"""(?P<comment>/\*.*?\*/|//[^\n]*)|"(?P<string>(?:\\.|[^"\\\n])*)"
                     |'(?:\\.|[^'\\\n])+'|(?P<space>\s+)|(?P<other>.)""", re.S | re.X)
QUOTED = re.compile(r""""((?:\\.|[^"\\])*\s(?:\\.|[^"\\])*)"|'([^']*\s[^']*)'""")
# A literal, which is no prose, becomes one word.
LITERAL = re.compile(r"``[^`]+``|`[^`]+`|<[a-z/!][^>]*>")


class Prose:
    """Paragraphs; each is a list of a line's number and its text."""

    def __init__(self):
        self.paragraphs = [[]]

    def end(self):
        """End the paragraph: the next line begins another."""
        if self.paragraphs[-1]:
            self.paragraphs.append([])

    def add(self, number, text):
        """Add a line to the paragraph. An empty line ends the paragraph."""
        text = text.strip()
        if text:
            self.paragraphs[-1].append((number, text))
        else:
            self.end()

    def add_block(self, number, text):
        """Add lines that are one or more paragraphs."""
        self.end()
        for offset, line in enumerate(text.split("\n")):
            self.add(number + offset, line)
        self.end()


def read_document(lines, prose):
    """Markdown, reStructuredText and plain text, without blocks of code."""
    fence = False
    literal = None      # the indentation of the line before a literal block
    for number, line in lines:
        indent = len(line) - len(line.lstrip())
        if line.lstrip().startswith("```"):
            fence = not fence
            prose.end()
        elif fence:
            continue
        elif literal is not None and (not line.strip() or indent > literal):
            prose.end()
        elif line.lstrip().startswith((".. ", ":Shown by:", ":Kept by:")) or \
                re.fullmatch(r"[=~^ -]{3,}", line.strip()):
            prose.end()
        else:
            literal = indent if line.rstrip().endswith("::") else None
            table = line.lstrip().startswith("|")
            if table or re.match(r"\s*([-*#]|\d+\.) ", line):
                prose.end()
            prose.add(number, line)
            if table:
                prose.end()
            if literal is not None:
                prose.end()


def read_man(lines, prose):
    """A manual page, without its examples."""
    example = False
    for number, line in lines:
        if line.startswith((".EX", ".nf", ".EE", ".fi")):
            example = line[:3] in (".EX", ".nf")
            prose.end()
        elif example:
            continue
        elif line.startswith('.\\" test:'):
            continue
        elif line.startswith(('.\\"', ".B ", ".I ", ".BR ", ".IR ", ".BI ", ".IB ", ".RB ", ".RI ")):
            prose.add(number, re.sub(r'^\S+ |"', "", line))
        elif line.startswith((".SH", ".SS")):
            prose.end()
            prose.add(number, line.partition(" ")[2])
            prose.end()
        elif line.startswith("."):
            prose.end()
        else:
            prose.add(number, re.sub(r"\\f[A-Z]|\\&", "", line).replace("\\-", "-"))


def read_c(lines, prose):
    """Comments, and strings that have a space in them; adjacent ones are one text."""
    text = "\n".join(line for _, line in lines)
    numbers = [number for number, _ in lines]
    place = 0
    previous = None
    for match in C_TOKEN.finditer(text):
        kind = match.lastgroup
        first = place
        place += match.group().count("\n")
        if kind == "comment":
            # Adjacent // comments are one text.
            if not match.group().startswith("//") or previous != "comment":
                prose.end()
            for offset, line in enumerate(match.group().split("\n")):
                line = re.sub(r"^\s*(/\*\*?|\*(?!/)|//)", "", line).replace("*/", "")
                prose.add(numbers[first + offset], line)
            previous = kind
        elif kind == "string":
            if previous != "string":
                prose.end()
            prose.add(numbers[first], re.sub(r"\\[nt]", " ", match.group("string")))
            previous = kind
        elif kind != "space":
            previous = None
    prose.end()


def read_hash(lines, prose):
    """Files with # comments (shell, make, Perl, Ruby, configuration): comments, quoted texts and
    here-documents."""
    until = None
    for number, line in lines:
        if until:
            if line.strip() == until:
                until = None
                prose.end()
            else:
                prose.add(number, line)
            continue
        here = re.search(r"<<-?\s*['\"]?([A-Z]\w*)", line)
        until = here.group(1) if here else None
        match = re.search(r"(?:^|\s)#+!?(?:\s+|$)(.*)", line)
        code = line[:match.start()] if match else line
        if code.strip():
            prose.end()
            for quoted in QUOTED.finditer(code):
                prose.add(number, quoted.group(1) or quoted.group(2))
                prose.end()
        if match:
            prose.add(number, match.group(1))
        elif not code.strip():
            prose.end()


def read_python(lines, prose):
    """Comments and strings."""
    text = "".join(line + "\n" for _, line in lines)
    numbers = [number for number, _ in lines]
    previous = None
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        first = numbers[min(token.start[0], len(numbers)) - 1]
        if token.type == tokenize.COMMENT:
            if previous != token.type:
                prose.end()
            prose.add(first, token.string.lstrip("#!"))
        elif token.type == tokenize.STRING:
            string = token.string.strip("rbfu\"'")
            if previous == token.type:
                prose.add(first, string)
            else:
                prose.add_block(first, string)
        elif token.type in (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT):
            continue
        previous = token.type
    prose.end()


def is_script(lines):
    """Whether the file names an interpreter, or a shell for shellcheck."""
    return any(line.startswith("#!") or "shellcheck shell=" in line for _, line in lines[:3])


def read(name, lines, prose):
    """The prose of a file, by its name."""
    base = os.path.basename(name)
    extension = os.path.splitext(name)[1]
    if name.startswith("tools/testing/mutations/"):
        head = [line for line in lines if not line[1].startswith(("Run:", "Caught-by:"))]
        end = next((i for i, line in enumerate(head) if line[1].startswith("--- ")), len(head))
        read_document(head[:end], prose)
    elif extension == ".patch":
        # The text before the patch, and the lines that it adds.
        end = next((i for i, line in enumerate(lines) if line[1].startswith("--- ")), len(lines))
        read_document(lines[:end], prose)
        read(name[:-len(extension)], [(number, line[1:]) for number, line in lines[end:]
                                      if re.match(r"\+(?!\+\+ )", line)], prose)
    elif "series.d/" in name:
        end = next((i for i, line in enumerate(lines) if line[1].startswith("---")), len(lines))
        read_document(lines[:end], prose)
    elif extension in (".md", ".rst", ".html") or "/debian/" in name and base in (
            "changelog", "control", "copyright") or base.startswith("Kconfig"):
        read_document(lines, prose)
    elif re.fullmatch(r"\.[1-8]", extension):
        read_man(lines, prose)
    elif extension in C_LIKE:
        read_c(lines, prose)
    elif extension == ".py" or lines and "python" in lines[0][1]:
        read_python(lines, prose)
    elif extension in (".svg", ".png"):
        return
    elif is_script(lines) or "#" in "".join(line for _, line in lines[:20]):
        read_hash(lines, prose)


def table(path, columns):
    """Read lines of fields that tabs separate."""
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            if line and not line.startswith("#"):
                fields = re.split(r"\t+", line)
                if len(fields) != columns:
                    sys.exit(f"{path}:{number}: {len(fields)} fields; there must be {columns}")
                yield fields


def search(name, prose, rules, allowed):
    """Yield complaints, each with its line number."""
    for paragraph in prose.paragraphs:
        starts, text = [], ""
        for _, line in paragraph:
            starts.append(len(text))
            text += line + " "
        # Replace literals by words of the same length, so that positions stay valid.
        text = LITERAL.sub(lambda m: "X" * len(m.group()), text)
        for pattern, better, _ in rules:
            for match in pattern.finditer(text):
                number = paragraph[bisect.bisect_right(starts, match.start()) - 1][0]
                begin = text.rfind(" ", 0, max(0, match.start() - 24)) + 1
                end = text.find(" ", min(match.end() + 24, len(text) - 1))
                around = text[begin:end]
                for exception in allowed:
                    if re.search(exception[0], name) and re.search(exception[1], around):
                        exception[3] = True
                        break
                else:
                    yield number, f"{name}:{number}: '{around.strip()}': {better}"


def main():
    """Print complaints. The status is 1 if there are any."""
    names = sys.argv[1:]
    whole = names[:1] == ["--all"]
    rules = [(re.compile(pattern, re.I), better, example)
             for pattern, better, example in table(os.path.join(HERE, "words.list"), 3)]
    allowed = [[*fields, False] for fields in table(os.path.join(HERE, "words.allowed"), 3)]
    bad = False
    for name in names[whole:]:
        # A file may be removed but not yet committed.
        if not os.path.isfile(name):
            if whole:
                continue
            sys.exit(f"there is no {name}")
        with open(name, encoding="utf-8") as file:
            try:
                lines = list(enumerate(file.read().split("\n"), 1))
            except UnicodeDecodeError:
                continue
        prose = Prose()
        read(name, lines, prose)
        for _, complaint in sorted(search(name, prose, rules, allowed)):
            print(complaint)
            bad = True
    for exception in allowed:
        if whole and not exception[3]:
            print(f"words.allowed: unused exception '{exception[0]} {exception[1]}'; remove it")
            bad = True
    return bad


if __name__ == "__main__":
    sys.exit(main())
