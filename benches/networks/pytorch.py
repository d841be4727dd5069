"""Times the networks in PyTorch. Prints the name of each measurement and its times in milliseconds, as
the bench `encoders` does.

    python3 benches/networks/pytorch.py FILTER ROUNDS THREADS
"""

import sys
import time

import resnet
import torch
import vit


def times(run, rounds):
    run()
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        found.append((time.perf_counter() - start) * 1e3)
    return " ".join(f"{time:.2f}" for time in found)


def main():
    wanted, rounds, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    for name, init, shape in [*resnet.networks(), *vit.networks()]:
        network, x = init(), torch.randn(shape)

        def forward():
            with torch.inference_mode():
                network(x)

        def backward():
            network.zero_grad()
            network(x).sum().backward()

        for training, run in [(False, forward), (True, backward)]:
            case = f"{name}/{run.__name__}/pytorch"
            if wanted in case:
                network.train(training)
                print(case, times(run, rounds), flush=True)


main()
