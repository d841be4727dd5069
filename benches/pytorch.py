"""The measurements of the criterion benches, in PyTorch. Called by compare.py; prints JSON.

update   P <- P - k k^T / (alpha + r^T k), the best of addr_, addcmul_ and addmm_, in place
project  P @ G
fusion   Eq. 6-8
step     one alternating step: encoder 512-512-512-512, head to 101 classes, batch 64, SGD with
         momentum, with and without the projector
emoji    the same with the encoders of the emoji example, a CNN and an MLP
"""

import json
import sys
import time

import torch
from torch import nn

ALPHA = 0.1


def median_time(run, budget=0.6):
    """Median seconds per call, over batches that take about a millisecond each."""
    for _ in range(10):
        run()
    start = time.perf_counter()
    run()
    repeat = max(1, int(1e-3 / max(time.perf_counter() - start, 1e-7)))
    times, end = [], time.perf_counter() + budget
    while time.perf_counter() < end or len(times) < 10:
        start = time.perf_counter()
        for _ in range(repeat):
            run()
        times.append((time.perf_counter() - start) / repeat)
    times.sort()
    return times[len(times) // 2]


def update(s):
    p, r = torch.eye(s), torch.randn(s) / s**0.5

    def addr():
        k = p @ r
        p.addr_(k, k, alpha=-1.0 / (ALPHA + float(r @ k)))

    def addcmul():
        k = p @ r
        p.addcmul_(k[:, None] / (ALPHA + r @ k), k[None, :], value=-1)

    def addmm():
        k = (p @ r)[:, None]
        p.addmm_(k / (ALPHA + r @ k), k.T, alpha=-1)

    return min(median_time(form) for form in (addr, addcmul, addmm))


def project(s, c):
    p, g = torch.randn(s, s), torch.randn(s, c)
    return median_time(lambda: p @ g)


def fusion(m):
    logits = [3 * torch.randn(10_000, 101) for _ in range(m)]

    def fuse():
        entropies = []
        for z in logits:
            log_p = torch.log_softmax(z, 1)
            entropies.append(-(log_p.exp() * log_p).sum(1))
        weights = torch.softmax(-torch.stack(entropies, 1), 1)
        return sum(weights[:, i : i + 1] * z for i, z in enumerate(logits))

    return median_time(fuse)


def mlp():
    return nn.Sequential(
        nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 512)
    )


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        stages = []
        for d_input, d_output in ((3, 24), (24, 48), (48, 96)):
            convolution = nn.Conv2d(d_input, d_output, 3, padding=1, bias=False)
            stages += [convolution, nn.MaxPool2d(2), nn.BatchNorm2d(d_output), nn.ReLU()]
        self.stages = nn.Sequential(*stages)
        self.output = nn.Sequential(nn.Dropout(0.1), nn.Linear(192, 128), nn.ReLU())

    def forward(self, images):
        maps = self.stages(images).flatten(2)
        return self.output(torch.cat([maps.mean(2), maps.amax(2)], 1))


def text():
    return nn.Sequential(
        nn.Dropout(0.5), nn.Linear(4096, 256), nn.ReLU(), nn.Dropout(0.1), nn.Linear(256, 128), nn.ReLU()
    )


def step(encoders, inputs, d_feature, projected):
    head = nn.Linear(d_feature, 101)
    parameters = [q for module in (*encoders, head) for q in module.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=1e-3, momentum=0.9)
    labels = torch.arange(64) % 101
    p = torch.eye(d_feature)
    state = {"t": 0}

    def run():
        m = state["t"] % 2
        state["t"] += 1
        optimizer.zero_grad(set_to_none=True)
        features = encoders[m](inputs[m])
        nn.functional.cross_entropy(head(features), labels).backward()
        if projected:
            with torch.no_grad():
                r = features.mean(0)
                k = p @ r
                p.addr_(k, k, alpha=-1.0 / (ALPHA + float(r @ k)))
                # PyTorch keeps the weight as [classes, s]: (P G)^T = G^T P.
                head.weight.grad = head.weight.grad @ p
        optimizer.step()

    # An even number of steps in each measurement: the encoders differ.
    return median_time(lambda: (run(), run()), 1.5) / 2


def main():
    torch.manual_seed(0)
    torch.set_num_threads(int(sys.argv[1]))
    times = {}
    for s in (512, 768, 1024, 2048):
        times[f"update/{s}"] = update(s)
        for c in (6, 101, 1000):
            times[f"project/c{c}/{s}"] = project(s, c)
    for m in (2, 3):
        times[f"fusion/{m}"] = fusion(m)
    for name, projected in (("identity", False), ("rls", True)):
        vectors = [torch.randn(64, 512) for _ in range(2)]
        times[f"step/{name}"] = step([mlp(), mlp()], vectors, 512, projected)
        inputs = [torch.randn(64, 3, 32, 32), torch.randn(64, 4096)]
        times[f"emoji/{name}"] = step([Cnn(), text()], inputs, 128, projected)
    print(json.dumps({"version": torch.__version__, "times": times}))


with torch.enable_grad():
    main()
