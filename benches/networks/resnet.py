"""The networks of resnet.rs in PyTorch: ResNet-18 without classifier at batch 8."""

import torch
from torch import nn

BATCH, FRAMES = 8, 3


def conv(before, after, size, stride):
    layer = nn.Conv2d(before, after, size, stride, size // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(after))


class Block(nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        self.one, self.two = conv(before, after, 3, stride), conv(after, after, 3, 1)
        self.shortcut = conv(before, after, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        return torch.relu(self.two(torch.relu(self.one(x))) + self.shortcut(x))


def network(channels):
    widths = [64, 64, 128, 256, 512]
    blocks = []
    for stage in range(4):
        before, after = widths[stage : stage + 2]
        blocks += [Block(before, after, 2 if stage else 1), Block(after, after, 1)]
    stem = [conv(channels, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def audio(x):
    return x[:, None]


def video(x):
    return x.transpose(1, 2).flatten(0, 1)


class Features(nn.Module):
    def __init__(self, channels, fold):
        super().__init__()
        self.network, self.fold = network(channels), fold

    def forward(self, x):
        return self.network(self.fold(x)).view(BATCH, -1, 512).mean(1)


def networks():
    """Yields each network's name, itself and the shape of its input."""
    yield "resnet18/audio", lambda: Features(1, audio), (BATCH, 257, 188)
    yield "resnet18/video", lambda: Features(3, video), (BATCH, 3, FRAMES, 224, 224)
