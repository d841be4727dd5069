"""Checks that the examples of the data sets accept the commands of their page and of their headers.

The options of each command are parsed, and `--help` ends the program before it looks for the data.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

programs = Path(sys.argv[1])
names = ["crema_d", "food101", "iemocap", "kinetics_sounds", "mvsa"]
pages = [Path("docs/datasets.md")] + [Path(f"examples/datasets/{name}.rs") for name in names]
seen = dict.fromkeys(names, 0)
for page in pages:
    text = re.sub(r"^//! ?", "", page.read_text(), flags=re.MULTILINE)
    # A command goes over several lines that end with a backslash.
    for line in text.replace("\\\n", " ").splitlines():
        found = re.match(r"cargo run --release --example (\w+)( -- (.*))?$", line.split(" # ")[0].rstrip())
        if not found or found[1] not in seen:
            continue
        arguments = shlex.split(found[3] or "") + ["--help"]
        done = subprocess.run([programs / found[1], *arguments], capture_output=True, text=True)
        assert done.returncode == 0, f"{page}: {line}\n{done.stderr}"
        seen[found[1]] += 1
assert all(n >= 2 for n in seen.values()), seen
print(seen)
