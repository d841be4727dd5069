"""Checks the report of `burn-mla-studies missing`: every method in both protocols, with scores that are scores."""

import json
import sys

ORACLES = ["AE", "CRA", "MMIN", "IF-MMIN", "TATE"]
METHODS = {
    "LateFusion, own losses", "Concat, zeros", "QMF", "CCA", "DCCA", "DCCAE", "CPM-Net",
    *ORACLES, *(f"{name} (Oracle)" for name in ORACLES), "MLA", "MLA, crate's default",
}

with open(sys.argv[1]) as file:
    report = json.load(file)

n_seeds = len(report["seeds"])
for data in report["sets"]:
    assert {search["method"] for search in data["search"]} == METHODS, data["search"]
    assert len({len(search["trials"]) for search in data["search"]}) == 1, "one budget for all"
    for search in data["search"]:
        assert search["winner"] in [trial["trial"] for trial in search["trials"]], search
    assert [protocol["missing"] for protocol in data["protocols"]] == ["everywhere", "in-test"]
    for protocol in data["protocols"]:
        rows = protocol["rows"]
        assert len(rows) == len(METHODS) and {row["method"] for row in rows} == METHODS
        for row in rows:
            assert row["is_oracle"] == row["method"].endswith("(Oracle)"), row["method"]
            assert row["points"][0]["rate"] == 0 and len(row["points"]) > 1, row
            for point in row["points"]:
                assert len(point["scores"]) == n_seeds, row
                for score in point["scores"]:
                    assert 0 <= score["accuracy"] <= 1 and 0 <= score["macro_f1"] <= 1, row
        means = [row["mean"] for row in rows]
        assert means == sorted(means, reverse=True), means
    # Models of complete data are the same rows in both protocols, and an oracle has nothing to see there.
    complete = [
        {row["method"]: row["points"][0]["scores"] for row in protocol["rows"]}
        for protocol in data["protocols"]
    ]
    assert complete[0] == complete[1]
    assert complete[0]["TATE"] == complete[0]["TATE (Oracle)"]
print(f"{len(METHODS)} methods on {len(report['sets'])} data sets: as expected")
