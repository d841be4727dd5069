"""Checks the report of `burn-mla-studies compare`: every method, with scores that are scores."""

import json
import sys

METHODS = [
    "Sum", "Concat", "LateFusion", "LateFusion, own losses", "FiLM", "BiGated", "OGM", "OGM-GE",
    "QMF", "Concat, own losses added", "MMPareto", "OPM", "AGM", "PMR", "ReconBoost",
    "MLA without HGM", "MLA without HGM and DF", "MLA", "MLA without DF", "MLA, crate's default",
]

with open(sys.argv[1]) as file:
    report = json.load(file)

assert len({len(search["trials"]) for search in report["search"]}) == 1, "one budget for all"
for search in report["search"]:
    assert search["winner"] in [trial["trial"] for trial in search["trials"]]
for comparison in report["sets"]:
    names = [method["name"] for method in comparison["methods"]]
    assert names == METHODS, names
    for method in comparison["methods"]:
        assert len(method["per_seed"]) == len(report["seeds"])
        scores = [method["multi"], *method["modalities"].values()]
        assert len(scores) == 1 + len(comparison["modalities"])
        for score in scores:
            assert 0 <= score["accuracy"] <= 1 and 0 <= score["macro_f1"] <= 1, method
        # Shapley values share out what the fused accuracy is above guessing.
        shared = sum(method["shapley"].values())
        assert abs(shared - (method["multi"]["accuracy"] - 1 / 8)) < 1e-6, method
for curve in report["missing"] + report["other_missing"]:
    assert len(curve["points"]) >= 4, curve
assert all(0 <= gap <= 2 for gap in report["modality_gap"].values())
print(f"{len(METHODS)} methods on {len(report['sets'])} sets of modalities: as expected")
