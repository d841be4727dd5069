"""The network of vit.rs in PyTorch: a ViT-B/32 image tower at batch 8."""

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


def networks():
    """Yields the network's name, itself and the shape of its input."""
    yield "vit-b-32", Tower, (BATCH, 3, 224, 224)
