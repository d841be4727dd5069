#!/usr/bin/env python3
"""Loads the weights of a ViT-B/32 image tower by the bench `memory` and by PyTorch, in turns, and prints
the time and the peak memory of each process.

    python3 benches/loading.py

Needs `safetensors` beside PyTorch. ROUNDS (5) is how often each process is started.
"""

import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from compare import ROOT, python

ROUNDS = int(os.environ.get("ROUNDS", "5"))
sys.path.insert(0, str(pathlib.Path(__file__).parent / "networks"))


def hugging_face(state):
    """The state dict of vit.py by the keys of Hugging Face."""
    names = [
        ("blocks.", "vision_model.encoder.layers."),
        ("norm1", "layer_norm1"),
        ("norm2", "layer_norm2"),
        ("mlp_output", "mlp.fc2"),
        ("hidden", "mlp.fc1"),
        (".output", ".self_attn.out_proj"),
        ("patches", "vision_model.embeddings.patch_embedding"),
        ("class_token", "vision_model.embeddings.class_embedding"),
        ("positions", "vision_model.embeddings.position_embedding.weight"),
        ("pre_norm", "vision_model.pre_layrnorm"),
        ("post_norm", "vision_model.post_layernorm"),
        ("projection", "visual_projection"),
    ]
    found = {}
    for key, tensor in state.items():
        for ours, theirs in names:
            key = key.replace(ours, theirs)
        if "qkv" in key:
            for part, rows in zip("qkv", tensor.chunk(3)):
                found[key.replace("qkv", f"self_attn.{part}_proj")] = rows.clone()
        else:
            found[key] = tensor
    return found


def write(folder):
    import torch
    import vit
    from safetensors.torch import save_file

    state = {key: tensor.detach().clone() for key, tensor in vit.Tower().state_dict().items()}
    for name, state in [("pytorch", state), ("hugging_face", hugging_face(state))]:
        torch.save(state, folder / f"{name}.pth")
        save_file(state, folder / f"{name}.safetensors")


def load(path):
    import torch
    import vit
    from safetensors.torch import load_file

    torch.set_num_threads(os.cpu_count())
    start = time.perf_counter()
    tower = vit.Tower()
    init = time.perf_counter() - start
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    state = load_file(path) if path.suffix == ".safetensors" else torch.load(path)
    tower.load_state_dict(state)
    spent = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"pytorch {init * 1e3:.0f} {spent * 1e3:.0f} {before // 1024} {peak // 1024}")


def main():
    bench = ["cargo", "bench", "--quiet", "--bench", "memory", "--"]
    # A program that is built already.
    if "BENCH" in os.environ:
        bench = [os.environ["BENCH"]]
    interpreter, this = python(), pathlib.Path(__file__)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        subprocess.run([interpreter, this, "write", folder], check=True)
        size = (folder / "pytorch.safetensors").stat().st_size / 2**20
        print(f"{size:.0f} MiB of weights, {ROUNDS} rounds\n")
        print("| | init, ms | load, ms (worst) | peak before, MiB | peak, MiB | peak / size |\n|---|---|---|---|---|---|")
        for suffix in ["safetensors", "pth"]:
            sides = {}
            for _ in range(ROUNDS):
                for command in [
                    [*bench, "load", folder / f"hugging_face.{suffix}"],
                    [*bench, "load-drawn", folder / f"hugging_face.{suffix}"],
                    [interpreter, this, "load", folder / f"pytorch.{suffix}"],
                ]:
                    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
                    side, *found = output.split()[:5]
                    sides.setdefault(side, []).append([float(value) for value in found])
            for side, found in sides.items():
                init, spent, before, peak = zip(*found)
                cells = [f"{min(init):.0f}", f"{min(spent):.0f} ({max(spent):.0f})"]
                cells += [f"{statistics.median(before):.0f}", f"{max(peak):.0f}", f"{max(peak) / size:.2f}"]
                print(f"| {side}, .{suffix} | {' | '.join(cells)} |")


if sys.argv[1:2] == ["write"]:
    write(pathlib.Path(sys.argv[2]))
elif sys.argv[1:2] == ["load"]:
    load(pathlib.Path(sys.argv[2]))
else:
    main()
