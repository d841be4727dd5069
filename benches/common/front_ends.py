"""Times torchvision on Pillow and torchaudio as the bench `front_ends` times this library.

Run: python common/front_ends.py, with torch, torchvision, torchaudio and Pillow. Each worker is a process, as in a DataLoader,
with one thread.
"""

import io
import multiprocessing as mp
import time
from pathlib import Path

ITEMS, ROUNDS = 16, 40


def jpeg_work(rounds):
    import torch
    from PIL import Image
    from torchvision import transforms as T

    torch.set_num_threads(1)
    data = (Path(__file__).parent / "noise256.jpg").read_bytes()
    pipeline = T.Compose([
        T.Resize((224, 224)),
        T.ToTensor(),
        T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ])
    item = lambda: pipeline(Image.open(io.BytesIO(data)).convert("RGB"))
    return timed(item, rounds)


def fbank_work(rounds):
    import torch

    torch.set_num_threads(1)
    # The check of equal CUDA versions does not matter for Kaldi's code, which is Python.
    torch.version.cuda = "13.0" if torch.version.cuda else None
    from torchaudio.compliance import kaldi

    wave = torch.rand(1, 160_000) * 2 - 1
    item = lambda: kaldi.fbank(
        wave, htk_compat=True, sample_frequency=16_000, use_energy=False, window_type="hanning",
        num_mel_bins=128, dither=0.0, frame_shift=10,
    )
    return timed(item, rounds)


def timed(item, rounds):
    for _ in range(ITEMS):
        item()
    best = []  # items per second of each round
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(ITEMS):
            item()
        best.append(ITEMS / (time.perf_counter() - start))
    best.sort()
    return best[len(best) // 2], best[-1]


if __name__ == "__main__":
    for name, work in (("jpeg-256-to-224", jpeg_work), ("fbank-10s", fbank_work)):
        for workers in (1, 2):
            with mp.get_context("spawn").Pool(workers) as pool:
                rates = pool.map(work, [ROUNDS] * workers, chunksize=1)
            median, best = map(sum, zip(*rates))
            print(f"{name}, {workers} workers: {median:.0f} items/s, best round {best:.0f}")
