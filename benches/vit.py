#!/usr/bin/env python3
"""The measurements of vit.rs in PyTorch: a ViT-B/32 image tower at batch 8. Prints median milliseconds.

    python3 benches/vit.py THREADS
"""

import sys
import time

import torch
from torch import nn

BATCH, WIDTH, HEADS, DEPTH = 8, 768, 12, 12


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.output = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.hidden, self.mlp_output = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        batch, length, _ = x.shape
        qkv = self.qkv(self.norm1(x)).view(batch, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        attended = nn.functional.scaled_dot_product_attention(*qkv)
        x = x + self.output(attended.transpose(1, 2).reshape(batch, length, WIDTH))
        hidden = self.hidden(self.norm2(x))
        return x + self.mlp_output(hidden * torch.sigmoid(1.702 * hidden))


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 32, 32, bias=False)
        self.class_token = nn.Parameter(torch.randn(WIDTH) / WIDTH**0.5)
        self.positions = nn.Parameter(torch.randn(50, WIDTH) / WIDTH**0.5)
        self.pre_norm, self.post_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(DEPTH)))
        self.projection = nn.Linear(WIDTH, 512, bias=False)

    def forward(self, images):
        patches = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(images), 1, -1), patches], 1)
        tokens = self.blocks(self.pre_norm(tokens + self.positions))
        return self.projection(self.post_norm(tokens[:, 0]))


def median(run, repeats=10):
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2] * 1e3


def main():
    torch.manual_seed(0)
    torch.set_num_threads(int(sys.argv[1]))
    tower, images = Tower(), torch.randn(BATCH, 3, 224, 224)

    def forward():
        with torch.inference_mode():
            tower(images)

    def backward():
        tower.zero_grad()
        tower(images).sum().backward()

    print(f"PyTorch {torch.__version__}: forward {median(forward):.0f} ms, with backward {median(backward):.0f} ms")


main()
