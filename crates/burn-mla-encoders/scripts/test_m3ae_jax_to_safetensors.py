"""Tests m3ae_jax_to_safetensors.py: writes weights of MLA's port as the authors' JAX program pickles them,
and converts the pickle.

    python test_m3ae_jax_to_safetensors.py weights.safetensors converted.safetensors

The classes below are stand-ins for those of flax, optax and m3ae of the same names; the converter runs
without them.
"""

import json
import pickle
import re
import subprocess
import sys
import tempfile
import types
from pathlib import Path

import numpy as np


def stand_in(module, name, **members):
    parts = module.split(".")
    for i in range(len(parts)):
        parent = ".".join(parts[: i + 1])
        sys.modules.setdefault(parent, types.ModuleType(parent))
    made = type(name, (), {"__module__": module, **members})
    setattr(sys.modules[module], name, made)
    return made


FrozenDict = stand_in(
    "flax.core.frozen_dict",
    "FrozenDict",
    __init__=lambda self, xs: setattr(self, "_dict", xs),
    __reduce__=lambda self: (type(self), (self._dict,)),
)
TrainState = stand_in("m3ae.model", "M3AETrainState")
Adam = stand_in("optax._src.transform", "ScaleByAdamState")


def read(path):
    data = Path(path).read_bytes()
    length = int.from_bytes(data[:8], "little")
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            tensor = np.frombuffer(data[8 + length + start : 8 + length + end], "<f4")
            yield name, tensor.reshape(entry["shape"])


def jax_key(name):
    """The key of a tensor in JAX, and whether it is transposed."""
    path = re.sub(r"encoder\.blocks\.(\d+)\.", r"encoder/Block_\1/", name)
    for torch, jax in [
        ("encoder.layer_norm.", "encoder/LayerNorm_0/"),
        ("layer_norm1.", "LayerNorm_0/"),
        ("layer_norm2.", "LayerNorm_1/"),
        ("attention.qkv_linear.", "Attention_0/Dense_0/"),
        ("attention.fc.", "Attention_0/Dense_1/"),
        ("transformer_mlp.", "TransformerMLP_0/"),
    ]:
        path = path.replace(torch, jax)
    path = path.replace(".", "/")
    if path.endswith("/weight"):
        norm, embedding = "LayerNorm" in path, "text_embedding" in path
        kind = "scale" if norm else "embedding" if embedding else "kernel"
        return path[: -len("weight")] + kind, kind == "kernel"
    return path, False


def main(weights, target):
    params = {}
    for name, tensor in read(weights):
        key, transposed = jax_key(name)
        at, *rest = key.split("/")
        branch = params
        while rest:
            branch, at = branch.setdefault(at, {}), rest.pop(0)
        branch[at] = np.ascontiguousarray(tensor.T) if transposed else tensor.copy()
    params["decoder"] = {"LayerNorm_0": {"scale": np.ones(4, "f4")}}
    state, adam = TrainState(), Adam()
    adam.mu, adam.count = FrozenDict({"params": params}), np.int32(7)
    state.step = 7
    state.params = FrozenDict({"params": params})
    state.opt_state = (adam, [np.zeros(3)])
    state.apply_fn = json.dumps  # a function, by name
    checkpoint = {"step": 7, "variant": {"m3ae.model_type": "base"}, "state": state}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "model.pkl"
        source.write_bytes(pickle.dumps(checkpoint))
        converter = Path(__file__).with_name("m3ae_jax_to_safetensors.py")
        command = [sys.executable, converter, source, target]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            sys.exit(result.stderr)
        print(result.stdout)

        # A pickle that runs code runs none here.
        trap = Path(folder) / "trap"
        source.write_bytes(b"cos\nsystem\n(S'touch " + str(trap).encode() + b"'\ntR.")
        assert subprocess.run(command, capture_output=True).returncode != 0
        assert not trap.exists()


if __name__ == "__main__":
    main(*sys.argv[1:])
