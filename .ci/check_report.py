"""Checks the report of the emoji example: its form, and that something was learnt."""

import json
import math
import sys

path, *modalities = sys.argv[1:]
with open(path) as file:
    report = json.load(file)


def check_score(score, where):
    assert set(score) == {"accuracy", "macro_f1"}, where
    for name, value in score.items():
        assert math.isfinite(value) and 0 <= value <= 1, f"{where}.{name} = {value}"


def check_scores(scores, where):
    assert set(scores["modalities"]) == set(modalities), where
    for name, score in scores["modalities"].items():
        check_score(score, f"{where}.{name}")
    check_score(scores["multi"], f"{where}.multi")


assert report["dataset"] == "emoji"
assert report["device"] == "flex"
assert report["epochs"] >= 1 and report["wall_s"] > 0
names = [method["name"] for method in report["methods"]]
assert names == ["MLA", "Joint concatenation"], names
for method in report["methods"]:
    check_scores(method, method["name"])
    assert len(method["per_seed"]) == len(report["seeds"])
    for scores in method["per_seed"]:
        check_scores(scores, method["name"])

# The majority class has 21.6 % of the samples.
mla = report["methods"][0]
for name in modalities:
    assert mla["modalities"][name]["accuracy"] > 0.3, (name, mla)
assert mla["multi"]["accuracy"] > 0.4, mla
print(f"{path}: as it should be")
