"""What a run prints: tables in Markdown, which read well in a terminal too; JSON; and the block in RESULTS.md."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.harness import Measured
from benchmarks.targets import Verdict

RESULTS = Path(__file__).parent / "RESULTS.md"
BEGIN, END = "<!-- results: begin (written by `python -m benchmarks --write-results`) -->", "<!-- results: end -->"
PACKAGES = ("drumline", "langgraph", "langgraph-checkpoint", "redis", "hiredis", "msgpack")


def machine(server: str, load_before: float) -> dict[str, str]:
    """What the figures were measured on. `load_before` is the load average when the run began."""
    return {
        "date": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        "cpu": f"{_cpu()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
        "server": server,
        "load before the run": f"{load_before:.2f} (a quiet machine: < 0.3)",
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "?"


def table_text(measured: Measured) -> str:
    """One workload: a row for each contender, the median of each metric with its range."""
    metrics = measured.table.metrics
    rows: list[list[str]] = []
    for contender in measured.table.contenders:
        result = measured.results[contender.name]
        cells = [_cell(result.figures.get(metric)) for metric in metrics]
        if result.error:
            cells[0] = f"failed: {result.error}"
        rows.append([contender.name, *cells])
    head = f"### {measured.table.title}\n\nmedian (min-max) of {measured.rounds} rounds\n\n"
    return head + markdown(["", *metrics], rows)


def verdicts_text(verdicts: Iterable[Verdict]) -> str:
    """The targets: what was measured, whether it is what is to be reached now, and in the end."""
    rows = []
    for verdict in verdicts:
        target, value = verdict.target, verdict.value
        rows.append(
            [
                target.key,
                target.what,
                number(value) + target.unit,
                "" if target.now is None else _bound(target.now, value, verdict),
                "" if target.full is None else _bound(target.full, value, verdict),
            ]
        )
    return "### Targets\n\n" + markdown(["", "", "measured", "reach now", "full target"], rows)


def _bound(bound: float, value: float, verdict: Verdict) -> str:
    target = verdict.target
    sign = ">=" if target.more_is_better else "<="
    return f"{sign} {number(bound)}{target.unit}: {'yes' if target.met(value, bound) else 'NO'}"


def _cell(values: Sequence[float] | None) -> str:
    if not values:
        return "-"
    return f"{number(statistics.median(values))} ({number(min(values))}-{number(max(values))})"


def number(value: float) -> str:
    """Three digits that mean something, thousands parted."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An aligned Markdown table."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return "\n".join([line(head), line(["-" * width for width in widths]), *map(line, rows)])


def as_json(about: Mapping[str, str], measured: Mapping[str, Measured], verdicts: Sequence[Verdict]) -> str:
    """All figures of all rounds."""
    data: dict[str, Any] = {
        "machine": dict(about),
        "tables": {
            key: {
                "title": one.table.title,
                "rounds": one.rounds,
                "contenders": {
                    name: {"error": result.error, **result.figures} if result.error else result.figures
                    for name, result in one.results.items()
                },
            }
            for key, one in measured.items()
        },
        "targets": [
            {
                "target": verdict.target.key,
                "what": verdict.target.what,
                "measured": verdict.value,
                "now": verdict.target.now,
                "full": verdict.target.full,
            }
            for verdict in verdicts
        ],
    }
    return json.dumps(data, indent=2)


def write_results(command: str, about: Mapping[str, str], texts: Sequence[str]) -> None:
    """Put this run in place of the last one in RESULTS.md; what stands around it stays."""
    lines = [f"- {name}: {value}" for name, value in {"command": f"`{command}`", **about}.items()]
    block = "\n\n".join([BEGIN, "\n".join(lines), *texts, END])
    page = RESULTS.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"{RESULTS} has lost its markers: it needs a line {BEGIN!r} and a line {END!r}")
    RESULTS.write_text(before + block + after, encoding="utf-8")
