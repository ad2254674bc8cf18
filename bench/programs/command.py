#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A worker (see bench/worker.h) whose calls are runs of a command, or requests to a command.

usage: command.py COMMAND [ARGUMENT]...
       command.py --dialogue REQUEST COMMAND [ARGUMENT]...

With --dialogue, CALLS in the request stands for the number of calls, and the answer contains
"done:" and a number.
"""

import re
import subprocess
import sys
import time


def run(calls):
    """Run the command this many times."""
    for _ in range(calls):
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def talk(calls):
    """Send a request to the command."""
    process.stdin.write(request.replace("CALLS", str(calls)) + "\n")
    process.stdin.flush()
    while True:
        line = process.stdout.readline()
        # Some commands print the request, too: that has no number.
        if re.search(r"done:\d", line):
            return
        if not line:
            sys.exit(f"{command[0]} has ended")


command = sys.argv[1:]
work = run
if command[0] == "--dialogue":
    request, command, work = command[1], command[2:], talk
    # It runs until this program ends.
    # pylint: disable=consider-using-with
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
print("{}", flush=True)
for line in sys.stdin:
    count = int(line.split()[2])
    start = time.perf_counter_ns()
    work(count)
    ns = time.perf_counter_ns() - start
    print(ns, ns, 0, flush=True)
