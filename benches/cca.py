"""The measurement of the bench `cca` with numpy and scikit-learn: the same analysis, on as many threads as
numpy's BLAS takes, and on one with OPENBLAS_NUM_THREADS=1.

Prints the median seconds of a fit: covariances, Cholesky factors, singular values, projections, and the
linear support vector machine. scikit-learn's own CCA is iterative and is timed for the smaller size.
"""

import time

import numpy
from sklearn.cross_decomposition import CCA
from sklearn.svm import LinearSVC

N_CLASSES, N_SHARED, K, RIDGE, C = 10, 8, 2, 1e-4, 0.01


def fit(first, second, labels):
    first, second = (x - x.mean(axis=0) for x in (first, second))
    n = len(first) - 1
    factors = [
        numpy.linalg.cholesky(x.T @ x / n + RIDGE * numpy.eye(x.shape[1])) for x in (first, second)
    ]
    cross = first.T @ second / n
    half = numpy.linalg.solve(factors[0], cross)
    whitened = numpy.linalg.solve(factors[1], half.T).T
    left, _, right = numpy.linalg.svd(whitened)
    weights = [
        numpy.linalg.solve(factors[0].T, left[:, :K]),
        numpy.linalg.solve(factors[1].T, right[:K].T),
    ]
    projections = numpy.hstack([first @ weights[0], second @ weights[1]])
    return LinearSVC(C=C, dual=False, tol=1e-8, max_iter=10_000).fit(projections, labels)


def median_time(run, n=7):
    run()
    times = []
    for _ in range(n):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return sorted(times)[n // 2]


def main():
    for n_samples, width in ((2_000, 128), (10_000, 512)):
        numbers = numpy.random.default_rng(0)
        shared = numbers.normal(size=(n_samples, N_SHARED))
        views = [
            0.3 * shared @ numbers.normal(size=(N_SHARED, width))
            + numbers.normal(size=(n_samples, width))
            for _ in range(2)
        ]
        labels = numpy.arange(n_samples) * 7 % N_CLASSES
        seconds = median_time(lambda: fit(*views, labels))
        print(f"numpy {n_samples}x{width}: {seconds * 1e3:.0f} ms")
        if width == 128:
            seconds = median_time(lambda: CCA(n_components=K).fit(*views), n=3)
            print(f"scikit-learn's CCA alone {n_samples}x{width}: {seconds * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
