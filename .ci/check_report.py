"""Checks the report of the emoji example: its form, and that something was learnt."""

import json
import math
import sys

path, *modalities = sys.argv[1:]
with open(path) as file:
    report = json.load(file)

assert report["dataset"] == "emoji"
assert report["device"] == "flex"
assert report["epochs"] >= 1 and report["wall_s"] > 0
names = [method["name"] for method in report["methods"]]
assert names == ["MLA", "Joint concatenation"], names
for method in report["methods"]:
    assert len(method["per_seed"]) == len(report["seeds"])
    for scores in method["per_seed"]:
        assert set(scores) == {*modalities, "fused"}, method["name"]
        for branch, score in scores.items():
            assert set(score) == {"accuracy", "macro_f1"}, branch
            for name, value in score.items():
                where = f"{method['name']}, {branch}, {name}"
                assert math.isfinite(value) and 0 <= value <= 1, f"{where} = {value}"

# The majority class has 21.6 % of the samples.
mla = report["methods"][0]["per_seed"][0]
for name in modalities:
    assert mla[name]["accuracy"] > 0.3, (name, mla)
assert mla["fused"]["accuracy"] > 0.4, mla
print(f"{path}: as expected")
