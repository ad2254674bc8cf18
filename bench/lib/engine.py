# SPDX-License-Identifier: MIT
"""Plans for the program bench, and its results."""

import json
import os
import subprocess
import sys

from places import OUT, TOP, die


class Plan:
    """Workers, and the questions to ask them; see bench.c.

    hellos: after a run, what each worker reports about itself; others: output lines that are not
    from bench.
    """

    def __init__(self):
        self._workers = []
        self._figures = []
        self.hellos = []
        self.others = []

    def worker(self, command, env=None):
        """Add a worker: a command and its environment variables. Return its number."""
        self._workers.append([f"{name}={value}" for name, value in (env or {}).items()] +
                             list(command))
        return len(self._workers) - 1

    def time(self, worker, size, threads=1, **row):
        """Add a measurement of the time of a call. row: additional fields of the result."""
        self._figures.append((f"time\t{worker}\t{size}\t{threads}", worker, "ns",
                              {**row, "bytes": size, "threads": threads}))

    def ask(self, worker, how, question, size, /, **row):
        """Add a question: the "least" or "median" of all rounds, or "once"."""
        self._figures.append((f"{how}\t{worker}\t{question}\t{size}", worker, "value",
                              {**row, "bytes": size}))

    def __str__(self):
        return "".join(line + "\n" for line in
                       ["worker\t" + "\t".join(words) for words in self._workers] +
                       [line for line, *_ in self._figures])

    def run(self, rounds, slice_ms, command=None):
        """Measure. command: a program that reads the plan in place of bench, and prints bench's
        output among other lines. Return the rows in the order of the plan, without absent workers.
        """
        print(f"bench: {len(self._figures)} figures, each the best of {rounds} times {slice_ms} "
              f"ms: {len(self._figures) * rounds * slice_ms / 1000:.0f} s or more",
              file=sys.stderr)
        command = command or [os.path.join(OUT, "bench"), str(rounds), str(slice_ms)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True, encoding="utf-8") as bench:
            bench.stdin.write(str(self))
            bench.stdin.close()
            values = {}
            self.hellos = [None] * len(self._workers)
            for line in bench.stdout:
                self._note(line, values)
        if bench.returncode:
            die(f"{os.path.basename(command[0])} failed with status {bench.returncode}")
        if None in self.hellos:
            die("bench did not report all workers; see its output above")
        return [{**{key: hello.get(key, "") for key in ("impl", "core", "libc")}, **row,
                 name: values[number]}
                for number, (_, worker, name, row) in enumerate(self._figures)
                for hello in [self.hellos[worker]] if number in values]

    def run_in_guest(self, rounds, slice_ms, programs, then, *options):
        """Boot a kernel and measure in the guest. programs: files for the guest; then: a command
        for its shell afterwards; options: for scripts/vm."""
        path = os.path.join(OUT, "plan")
        with open(path, "w", encoding="ascii") as file:
            file.write(str(self))
        adds = [word for program in (os.path.join(OUT, "bench"), path, *programs)
                for word in ("--add", program)]
        return self.run(rounds, slice_ms, [
            os.path.join(TOP, "scripts/vm"), *options, *adds, "--", "sh", "-c",
            f"bench {rounds} {slice_ms} <plan && {then}"])

    def _note(self, line, values):
        if not line.startswith("{"):
            print(line, end="", flush=True)
            self.others.append(line.rstrip())
            return
        said = json.loads(line)
        if "hello" in said:
            self.hellos[said["worker"]] = said["hello"]
        else:
            values[said["figure"]] = said["value"]

    def print_absent(self, names):
        """Print which workers could not be measured, and why. names: the name of each worker."""
        reasons = {}
        for hello, name in zip(self.hellos, names, strict=True):
            if "absent" in hello:
                reasons.setdefault(hello["absent"], []).append(name)
        for reason, absent in reasons.items():
            print(f"left out because {reason}: {', '.join(dict.fromkeys(absent))}")
