# SPDX-License-Identifier: MIT
"""MADV_FREE in our kernel against the plain Linux 6.1 that it is made from.

Each kernel is booted BOOTS times (default 2), in turns, so that what disturbs the machine for a
while disturbs both. Of the times the best counts.
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
    """Rows, and which Linux that is."""
    plan = Plan()
    worker = plan.worker(["lazyfree"])
    for case in CASES:
        plan.ask(worker, "least", f"{case}:ns", MIB, case=case, what="ns_per_gib")
        plan.ask(worker, "once", f"{case}:splits", MIB, case=case, what="splits_per_gib")
        plan.ask(worker, "once", f"{case}:freed", MIB, case=case, what="freed")
    # Huge pages are switched off where there is less than 512 MB.
    rows = plan.run_in_guest(ROUNDS, 1, [os.path.join(places.OUT, "lazyfree")], "uname -r",
                             "--kernel", kernel, "--mem", "1024", "--timeout", "600")
    return rows, plan.others[-1]


def run():
    """Measure, print a table, and write build/bench/lazyfree.json."""
    kernels = {"ours": places.KERNEL,
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
    lines = [[case, *(cell for name in ("plain", "ours") for known in [found[name, case]]
                      for cell in (number(known["ns_per_gib"] / 1e6),
                                   f"{known['splits_per_gib']:.0f}", f"{known['freed']:.1%}")),
              number(found["plain", case]["ns_per_gib"] / found["ours", case]["ns_per_gib"])]
             for case in CASES]
    terminal(f"MADV_FREE of {MIB} MiB, best of {boots} boots with {ROUNDS} rounds each",
             ["", "plain: ms/GiB", "splits/GiB", "freed", "ours: ms/GiB", "splits/GiB", "freed",
              "time, plain/ours"], lines)
    with open(PATH, "w", encoding="utf-8") as file:
        json.dump({"linux": linux, "mib": MIB, "boots": boots, "rounds": ROUNDS,
                   "rows": [{"kernel": name, "case": case, **known}
                            for (name, case), known in found.items()]}, file, indent=1)
    print(f"written: {places.relative(PATH)}")
