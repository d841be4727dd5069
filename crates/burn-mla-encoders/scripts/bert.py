"""Writes tests/data/bert: a tiny BERT of transformers with random weights, and what it computes.

    pip install torch transformers safetensors
    python crates/burn-mla-encoders/scripts/bert.py
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForMaskedLM

FOLDER = Path(__file__).parent.parent / "tests/data/bert"
LENGTHS = [9, 5, 1]


def main():
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=24,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=10,
        layer_norm_eps=1e-12,
        attn_implementation="eager",
    )
    model = BertForMaskedLM(config).eval()
    with torch.no_grad():
        # The initial weights are too small for an error to show.
        for name, weight in model.named_parameters():
            mean = 1.0 if name.endswith("LayerNorm.weight") else 0.0
            weight.copy_(mean + 0.5 * torch.randn_like(weight))
    bert = model.bert

    length = max(LENGTHS)
    ids = torch.randint(1, config.vocab_size, (len(LENGTHS), length))
    mask = torch.arange(length)[None, :] < torch.tensor(LENGTHS)[:, None]
    # Ids of padding must not matter.
    ids[1, 6:] = 0
    outputs = {"ids": ids, "mask": mask.to(torch.uint8)}

    def keep(name):
        def hook(_module, _inputs, output):
            outputs[name] = output[0] if isinstance(output, tuple) else output

        return hook

    hooks = [
        bert.embeddings.register_forward_hook(keep("embeddings")),
        bert.encoder.layer[0].attention.self.register_forward_hook(keep("attention_0")),
        bert.encoder.layer[0].register_forward_hook(keep("layer_0")),
        bert.encoder.layer[1].register_forward_hook(keep("layer_1")),
    ]

    def pooled():
        with torch.no_grad():
            hidden = bert(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        weights = mask.float().unsqueeze(-1)
        return (hidden * weights).sum(1) / weights.sum(1), hidden[:, 0]

    outputs["mean"], outputs["cls"] = pooled()
    for hook in hooks:
        hook.remove()
    for layer in bert.encoder.layer:
        layer.intermediate.intermediate_act_fn = torch.nn.GELU(approximate="tanh")
    outputs["mean_gelu_new"] = pooled()[0]

    FOLDER.mkdir(exist_ok=True)
    kept = json.loads(config.to_json_string())
    (FOLDER / "config.json").write_text(json.dumps(kept, indent=2) + "\n")
    state = {name: tensor.clone() for name, tensor in bert.state_dict().items()}
    save_file(state, FOLDER / "model.safetensors", metadata={"format": "pt"})
    # A checkpoint for masked language modelling with the names of TensorFlow's normalizations.
    state = model.state_dict()
    state["bert.embeddings.position_ids"] = torch.arange(config.max_position_embeddings)[None, :]
    old = {".LayerNorm.weight": ".LayerNorm.gamma", ".LayerNorm.bias": ".LayerNorm.beta"}

    def rename(name):
        for new, previous in old.items():
            name = name.replace(new, previous)
        return name

    state = {rename(name): tensor.clone() for name, tensor in state.items()}
    save_file(state, FOLDER / "masked_lm.safetensors", metadata={"format": "pt"})
    outputs = {name: tensor.contiguous().clone() for name, tensor in outputs.items()}
    save_file(outputs, FOLDER / "outputs.safetensors")


main()
