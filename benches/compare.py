#!/usr/bin/env python3
"""Runs the criterion benches and the same operations in PyTorch, in turns, and prints a table.

    python3 benches/compare.py

Installs PyTorch into a virtual environment, target/pytorch. The two sides take turns for several
rounds, which means that a slow period of the machine affects both. The best median of the rounds
counts for each side, and for PyTorch the better of 1 and all threads.
"""

import json
import os
import pathlib
import subprocess
import sys
import venv

ROUNDS = int(os.environ.get("ROUNDS", "3"))
ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
FILTER = r"^(product/flex/c1/|projector/rls/(update|project)/flex|fusion/entropy/flex|step/(mlp|emoji)/(rls|identity)/flex/2$|step/mlp/plain-burn/flex/1$)"
BENCHES = ["projector", "fusion", "step"]


def python():
    environment = pathlib.Path(os.environ.get("PYTORCH_VENV", TARGET / "pytorch"))
    found = environment / "bin" / "python"
    if not found.exists():
        venv.create(environment, with_pip=True)
        subprocess.run([found, "-m", "pip", "install", "-q", "torch", "numpy"], check=True)
    return found


def criterion(times):
    """Keeps the smallest median of each benchmark, in seconds."""
    arguments = [word for bench in BENCHES for word in ("--bench", bench)]
    options = [FILTER, "--noplot", "--warm-up-time", "0.5", "--measurement-time", "1.5"]
    subprocess.run(
        ["cargo", "bench", *arguments, "--", *options],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    for found in (TARGET / "criterion").glob("**/new/benchmark.json"):
        name = json.loads(found.read_text())["full_id"]
        estimates = json.loads((found.parent / "estimates.json").read_text())
        median = estimates["median"]["point_estimate"] * 1e-9
        times.setdefault(name, []).append(median)


def pytorch(interpreter, threads, times):
    script = ROOT / "benches" / "pytorch.py"
    # These are set on some machines to work around faults of old OpenBLAS builds.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS")}
    output = subprocess.run(
        [interpreter, script, str(threads)],
        check=True,
        stdout=subprocess.PIPE,
        env=environment,
    ).stdout
    found = json.loads(output)
    for name, time in found["times"].items():
        times.setdefault(name, []).append(time)
    return found["version"]


def main():
    interpreter = python()
    ours, theirs = {}, {}
    for round in range(ROUNDS):
        print(f"round {round + 1} of {ROUNDS}", file=sys.stderr)
        criterion(ours)
        for threads in sorted({1, os.cpu_count()}):
            version = pytorch(interpreter, threads, theirs)

    def spread(times):
        return f"{min(times) * 1e6:.0f} ({max(times) * 1e6:.0f})"

    print(f"PyTorch {version}, {os.cpu_count()} cores, {ROUNDS} rounds: best (worst) median, us\n")
    print("| | burn-mla | PyTorch | ratio | one product P r | ratio |\n|---|---|---|---|---|---|")

    def row(name, our, their, product=None):
        ratio = min(ours[our]) / min(theirs[their])
        cells = [name, spread(ours[our]), spread(theirs[their]), f"{ratio:.2f}", "", ""]
        if product:
            cells[4] = spread(ours[product])
            cells[5] = f"{min(ours[our]) / min(ours[product]):.2f}"
        print(f"| {' | '.join(cells)} |")

    for s in (512, 768, 1024, 2048):
        product = f"product/flex/c1/{s}"
        row(f"update, s = {s}", f"projector/rls/update/flex/{s}", f"update/{s}", product)
    for s in (512, 768, 1024, 2048):
        for c in (6, 101, 1000):
            ours_id = f"projector/rls/project/flex/c{c}/{s}"
            row(f"project, s = {s}, C = {c}", ours_id, f"project/c{c}/{s}")
    for m in (2, 3):
        row(f"entropy fusion, M = {m}", f"fusion/entropy/flex/{m}", f"fusion/{m}")
    row("step in plain Burn", "step/mlp/plain-burn/flex/1", "step/identity")
    row("step without projector", "step/mlp/identity/flex/2", "step/identity")
    row("step with projector", "step/mlp/rls/flex/2", "step/rls")
    row("emoji's step without projector", "step/emoji/identity/flex/2", "emoji/identity")
    row("emoji's step with projector", "step/emoji/rls/flex/2", "emoji/rls")


if __name__ == "__main__":
    main()
