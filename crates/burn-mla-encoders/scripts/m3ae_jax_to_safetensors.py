"""Converts a published M3AE checkpoint (a pickle of JAX arrays) to SafeTensors.

    python m3ae_jax_to_safetensors.py m3ae_base.pkl m3ae_base.safetensors

Needs numpy only. The pickle names classes of flax, optax and jax; none of them is imported and no code
of the pickle runs: everything but numpy arrays and plain containers becomes an empty object. The file
that results has the keys of MLA's port and loads into the encoders of `M3aeConfig::jax_base` and
`jax_large`. The decoder is left out; its keys are printed.
"""

import json
import pickle
import re
import sys

import numpy as np


class Opaque:
    """Stands for an object of a class that is not imported. Keeps its state and arguments."""

    args = ()

    def __init__(self, *args, **kwargs):
        self.args = args

    def __setstate__(self, state):
        self.state = state

    def __call__(self, *args, **kwargs):
        return Opaque()

    def __setitem__(self, key, value):
        pass

    def append(self, value):
        pass

    extend = append


NUMPY = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}
NUMPY_FUNCTIONS = {"_reconstruct", "scalar", "_frombuffer"}


class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) in NUMPY:
            return NUMPY[module, name]
        if re.fullmatch(r"numpy\.(_?core)\.(multiarray|numeric)", module) and name in NUMPY_FUNCTIONS:
            # Known by another module in another version of numpy.
            core = getattr(np, "_core", None) or np.core
            return getattr(getattr(core, module.rsplit(".", 1)[1]), name)
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        return type(name, (Opaque,), {})


def dictionary(value):
    """The dictionary in a FrozenDict, a dataclass or a dictionary."""
    if isinstance(value, dict):
        return value
    if isinstance(value, Opaque):
        for inner in (getattr(value, "state", None), *value.args):
            found = dictionary(inner)
            if found is not None:
                return found.get("_dict", found)
    return None


def flatten(tree, prefix=""):
    for key, value in tree.items():
        inner = dictionary(value)
        if inner is None:
            yield prefix + key, np.asarray(value)
        else:
            yield from flatten(inner, f"{prefix}{key}/")


# (pattern of the key in JAX, key in PyTorch); a kernel is [in, out] there and [out, in] here.
RULES = [
    (r"(cls_token|encoder_(?:image|text)_type_embedding)", r"\1"),
    (r"text_embedding/embedding", "text_embedding.weight"),
    (r"image_embedding/(\w+)", r"image_embedding.\1"),
    (r"encoder/LayerNorm_0/(\w+)", r"encoder.layer_norm.\1"),
    (r"encoder/Block_(\d+)/LayerNorm_0/(\w+)", r"encoder.blocks.\1.layer_norm1.\2"),
    (r"encoder/Block_(\d+)/LayerNorm_1/(\w+)", r"encoder.blocks.\1.layer_norm2.\2"),
    (r"encoder/Block_(\d+)/Attention_0/Dense_0/(\w+)", r"encoder.blocks.\1.attention.qkv_linear.\2"),
    (r"encoder/Block_(\d+)/Attention_0/Dense_1/(\w+)", r"encoder.blocks.\1.attention.fc.\2"),
    (r"encoder/Block_(\d+)/TransformerMLP_0/(fc[12])/(\w+)", r"encoder.blocks.\1.transformer_mlp.\2.\3"),
]


def convert(params):
    """Returns the tensors by their keys in PyTorch, and the keys that are left out."""
    tensors, left_out = {}, []
    for key, value in flatten(params):
        for pattern, replacement in RULES:
            if re.fullmatch(pattern, key):
                name = re.sub(pattern, replacement, key)
                if name.endswith(".kernel"):
                    name, value = name[: -len("kernel")] + "weight", value.T
                if name.endswith(".scale"):
                    name = name[: -len("scale")] + "weight"
                tensors[name] = np.ascontiguousarray(value, dtype="<f4")
                break
        else:
            left_out.append(key)
    return tensors, left_out


def save(tensors, path):
    header, offset = {}, 0
    for name, tensor in sorted(tensors.items()):
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + tensor.nbytes]}
        offset += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for _, tensor in sorted(tensors.items()):
            file.write(tensor.tobytes())


def main(source, target):
    with open(source, "rb") as file:
        checkpoint = Unpickler(file).load()
    params = dictionary(checkpoint)
    # {"state": TrainState(params=FrozenDict({"params": ..}))}
    for name in ("state", "params", "params"):
        if name not in params:
            sys.exit(f"{source}: no {name} among {sorted(map(str, params))}")
        params = dictionary(params[name])
        if params is None:
            sys.exit(f"{source}: {name} is no dictionary")
    tensors, left_out = convert(params)
    if not any(name.startswith("encoder.blocks.0.") for name in tensors):
        sys.exit(f"{source}: no encoder among {sorted(params)}")
    save(tensors, target)
    print(f"{target}: {len(tensors)} tensors; left out: {', '.join(left_out) or 'none'}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
