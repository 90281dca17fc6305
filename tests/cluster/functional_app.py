"""Entrypoints whose `@task`s leave lines in a file: `tests.cluster.functional_app:GRAPHS`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from drumline.func import entrypoint, task
from drumline.types import interrupt


def note(folder: str, what: str) -> None:
    with (Path(folder) / "lines").open("a") as file:
        file.write(f"{what} {os.getpid()}\n")


def lines(folder: Path) -> list[tuple[str, int]]:
    """What was noted: which code began, in which process."""
    path = folder / "lines"
    found = path.read_text().splitlines() if path.exists() else []
    return [(what, int(pid)) for what, pid in (line.split() for line in found)]


@task
def step(folder: str, name: str) -> str:
    note(folder, name)
    return name.upper()


@task
def hold(folder: str) -> str:
    """Leave a line, and wait until the test opens the gate."""
    note(folder, "hold")
    while not (Path(folder) / "gate").exists():
        time.sleep(0.01)  # another process opens it
    return "HOLD"


@task
def nested(folder: str) -> list[str]:
    note(folder, "nested")
    return [step(folder, "inner").result(), hold(folder).result()]


@task
def ask(folder: str) -> Any:
    note(folder, "ask")
    return interrupt("and?")


@entrypoint()
def held(folder: str) -> Any:
    note(folder, "entry")
    before = [future.result() for future in [step(folder, name) for name in "abc"]]
    return [*before, *nested(folder).result(), step(folder, "last").result()]


@entrypoint()
def asking(folder: str, *, previous: Any = None) -> Any:
    note(folder, "entry")
    return [step(folder, "a").result(), ask(folder).result(), step(folder, "b").result(), previous]


@entrypoint()
async def many(count: int) -> int:
    return sum([await future for future in [one() for _ in range(count)]])


@task
async def one() -> int:
    return 1


GRAPHS = {"held": held, "asking": asking, "many": many}
