#!/usr/bin/env python3
"""Runs the bench `encoders` and the same networks in PyTorch, in turns, and prints a table.

    python3 benches/encoders.py [FILTER]

FILTER is a part of a name, such as `vit-b-32/forward/`. PyTorch runs with as many threads as there are
cores. ROUNDS (3) is how often each process is started, REPEATS (3) how often it measures.
"""

import os
import pathlib
import subprocess
import sys

from compare import ROOT, python

ROUNDS, REPEATS = (os.environ.get(name, "3") for name in ("ROUNDS", "REPEATS"))


def run(command, times):
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in output.splitlines():
        name, *found = line.split()
        times.setdefault(name, []).extend(map(float, found))


def main():
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    bench = ["cargo", "bench", "--quiet", "--bench", "encoders", "--", wanted, REPEATS]
    # A program that is built already.
    if "BENCH" in os.environ:
        bench = [os.environ["BENCH"], wanted, REPEATS]
    script = pathlib.Path(__file__).parent / "networks" / "pytorch.py"
    pytorch = [python(), script, wanted, REPEATS, str(os.cpu_count())]
    times = {}
    for _ in range(int(ROUNDS)):
        run(bench, times)
        run(pytorch, times)

    print("| | encoder | its layers | ratio | PyTorch | ratio |\n|---|---|---|---|---|---|")
    for name in [name.removesuffix("/encoder") for name in times if name.endswith("/encoder")]:
        network = name.rsplit("/", 1)[0]
        sides = [times[f"{name}/encoder"], times[f"{name}/layers"], times.get(f"{network}/pytorch")]
        spread = [f"{min(side):.0f} ({max(side):.0f})" if side else "" for side in sides]
        ratio = [f"{min(sides[0]) / min(side):.2f}" if side else "" for side in sides[1:]]
        print(f"| {name} | {spread[0]} | {spread[1]} | {ratio[0]} | {spread[2]} | {ratio[1]} |")


main()
