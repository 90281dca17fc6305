"""Two versions of drumline in turns: the same benchmarks with two Pythons, each of which has one version installed.

    python -m benchmarks.turns ../before/.venv/bin/python ../after/.venv/bin/python --rounds 3 -- --only w1cpu --quick

Figures of one version, taken an hour after those of the other, tell more of the machine than of the change. Here each
round runs both, and whoever is first in one round is second in the next. Both run the benchmarks of this checkout.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.processes import ROOT
from benchmarks.report import markdown, number

#: figures of all rounds by table, contender and metric
Figures = dict[tuple[str, str, str], list[float]]


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """The command line. What stands behind `--` is for the benchmarks (argparse would not split there)."""
    split = list(words).index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.turns", description=__doc__)
    parser.add_argument("before", type=Path, help="the Python that has the one version")
    parser.add_argument("after", type=Path, help="the Python that has the other")
    parser.add_argument("--rounds", type=int, default=3, help="how often both run (default: 3)")
    parser.epilog = "Behind `--` stands what `python -m benchmarks` is given."
    options = parser.parse_args(words[:split])
    options.words = list(words[split + 1 :])
    return options


def add_figures(into: Figures, report: Mapping[str, Any]) -> None:
    """Add what one run wrote as JSON. A metric for which there are no figures (its contender failed) is left out."""
    for table, one in report["tables"].items():
        for contender, metrics in one["contenders"].items():
            for metric, values in metrics.items():
                if metric != "error":
                    into.setdefault((table, contender, metric), []).extend(values)


def compare(before: Figures, after: Figures) -> list[list[str]]:
    """Rows of medians side by side, for what both have. The last cell is after / before."""
    rows = []
    for key, values in before.items():
        if not after.get(key) or not values:
            continue
        old, new = statistics.median(values), statistics.median(after[key])
        rows.append([*key, number(old), number(new), number(new / old) if old else "-"])
    return rows


def main() -> int:
    """0; 1 if a run wrote no figures."""
    options = arguments(sys.argv[1:])
    found: list[tuple[Path, Figures]] = [(options.before, {}), (options.after, {})]
    for round_number in range(options.rounds):
        for python, figures in found if round_number % 2 == 0 else reversed(found):
            report = _run(python, options.words)
            if report is None:
                return 1
            add_figures(figures, report)
    head = ["", "", "", "before", "after", "after/before"]
    print(f"medians of {options.rounds} runs in turns\n\n{markdown(head, compare(found[0][1], found[1][1]))}")
    return 0


def _run(python: Path, words: Sequence[str]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder, "figures.json")
        # Not resolved: the link of a virtual environment is what tells its packages.
        command = [str(python.absolute()), "-m", "benchmarks", *words, "--json", str(figures)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        if not figures.exists():
            print(f"{' '.join(command)} ended with {done.returncode} and wrote no figures", file=sys.stderr)
            return None
        return json.loads(figures.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
