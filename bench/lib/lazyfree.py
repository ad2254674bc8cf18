# SPDX-License-Identifier: MIT
"""MADV_FREE in the patched kernel and in plain Linux 6.1.

The two kernels are booted in turns, BOOTS times each (default 2), so that noise on the machine
affects both. The best time counts.
"""

import json
import os

import places
from engine import Plan
from show import number, terminal

CASES = ("base-pages", "huge", "huge-ptes", "huge-two-tables")
PATH = os.path.join(places.OUT, "lazyfree.json")
MIB, ROUNDS = (32, 3) if places.QUICK else (128, 5)


def _boot(kernel):
    """The rows, and the version of Linux."""
    plan = Plan()
    worker = plan.worker(["lazyfree"])
    for case in CASES:
        plan.ask(worker, "least", f"{case}:ns", MIB, case=case, what="ns_per_gib")
        plan.ask(worker, "once", f"{case}:splits", MIB, case=case, what="splits_per_gib")
        plan.ask(worker, "once", f"{case}:freed", MIB, case=case, what="freed")
    # Linux disables huge pages with less than 512 MB of memory.
    rows = plan.run_in_guest(ROUNDS, 1, [os.path.join(places.OUT, "lazyfree")], "uname -r",
                             "--kernel", kernel, "--mem", "1024", "--timeout", "600")
    return rows, plan.others[-1]


def run():
    """Measure, print a table, and write build/bench/lazyfree.json."""
    kernels = {"patched": places.KERNEL,
               "plain": places.KERNEL.replace(os.path.join(places.BUILD, "kernel"),
                                              os.path.join(places.BUILD, "kernel-plain"))}
    boots = int(os.environ.get("BOOTS", "2"))
    found, linux = {}, ""
    for boot in range(1, boots + 1):
        for name, kernel in kernels.items():
            places.need(kernel, "bench-lazyfree")
            print(f"booting the {name} kernel to measure in it, {boot} of {boots} ...", flush=True)
            rows, linux = _boot(kernel)
            for row in rows:
                known = found.setdefault((name, row["case"]), {})
                known[row["what"]] = min(row["value"], known.get(row["what"], row["value"]))
    lines = [[case, *(cell for name in ("plain", "patched") for known in [found[name, case]]
                      for cell in (number(known["ns_per_gib"] / 1e6),
                                   f"{known['splits_per_gib']:.0f}", f"{known['freed']:.1%}")),
              number(found["plain", case]["ns_per_gib"] / found["patched", case]["ns_per_gib"])]
             for case in CASES]
    terminal(f"MADV_FREE of {MIB} MiB, best of {boots} boots with {ROUNDS} rounds each",
             ["", "plain: ms/GiB", "splits/GiB", "freed", "patched: ms/GiB", "splits/GiB", "freed",
              "time, plain/patched"], lines)
    with open(PATH, "w", encoding="utf-8") as file:
        json.dump({"linux": linux, "mib": MIB, "boots": boots, "rounds": ROUNDS,
                   "rows": [{"kernel": name, "case": case, **known}
                            for (name, case), known in found.items()]}, file, indent=1)
    print(f"written: {places.relative(PATH)}")
