"""Checks the results of an example on a miniature of its data set: one accuracy per name, all in range."""

import json
import sys

results = json.load(open(sys.argv[1]))
assert results["miniature"] is True
for scores in results["accuracy"]:
    assert len(scores) == len(results["names"]), results
    assert all(0 <= score <= 100 for score in scores), results
assert results["accuracy"], results
print(results["dataset"], results["names"], results["accuracy"])
