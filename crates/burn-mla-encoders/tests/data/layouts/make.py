"""Writes the files of this folder: one network, in the ways in which programs save it.

Run with Python and torch 2.15.0: python make.py
"""

import os
from collections import OrderedDict

import torch

torch.manual_seed(15)
stem = torch.nn.Sequential(OrderedDict(
    conv1=torch.nn.Conv2d(3, 4, 3, bias=False), bn1=torch.nn.BatchNorm2d(4)))
stem.train()
stem(torch.randn(2, 3, 8, 8))
weights = stem.state_dict()
optimizer = torch.optim.SGD(stem.parameters(), 0.1, momentum=0.9).state_dict()


class Code:
    """Runs a command when Python unpickles it."""

    def __reduce__(self):
        return os.system, ("touch code_has_run",)


def save(name, content, **options):
    torch.save(content, os.path.join(os.path.dirname(os.path.abspath(__file__)), name), **options)


save("bare.pth", weights)
save("state_dict.pth", {"epoch": 3, "state_dict": weights, "optimizer": optimizer})
save("model.pth", {"model": weights, "args": {"lr": 0.1}})
save("parallel.pth", {"module." + key: value for key, value in weights.items()})
save("uncounted.pth", {k: v for k, v in weights.items() if "tracked" not in k})
save("bf16.pth", {k: v.bfloat16() if v.is_floating_point() else v for k, v in weights.items()})
save("legacy.pth", {"model": {"module." + k: v for k, v in weights.items()}},
     _use_new_zipfile_serialization=False)
save("ambiguous.pth", {"model": weights, "state_dict": weights})
save("code.pth", Code())
save("code_beside.pth", {"state_dict": weights, "hook": Code()})
