"""Which runs of a thread a reader gets, by a service that says what there is."""

from __future__ import annotations

import asyncio
from typing import Any

from drumline_gateway.thread_bells import ThreadBells
from drumline_gateway.thread_runs import RUNS_MAX, ThreadRuns


class Runs:
    """In place of a service: the runs of one thread, and a reader of them that has nothing yet."""

    def __init__(self, count: int) -> None:
        self.rows = [{"run_id": f"r{n}", "began_ms": n, "status": "done"} for n in range(count)]
        self.bells = ThreadBells()

    async def runs(self, _thread: str, limit: int, offset: int = 0) -> list[Any]:
        return self.rows[::-1][offset : offset + limit]

    def add(self, status: str = "done") -> None:
        number = len(self.rows)
        self.rows.append({"run_id": f"r{number}", "began_ms": number, "status": status})
        self.bells.ring("t")

    async def read(self, told: list[str], then: dict[str, Any]) -> None:
        """Note each run that is told; call what stands in `then` for it. Ends when `then` has nothing any more."""

        async def look() -> Any:
            return {}

        async def begin(rows: list[Any], _bell: Any) -> tuple[list[Any], None]:
            return rows, None

        with self.bells.bell("t") as bell:
            async for run in ThreadRuns(self, "t", look, begin).each(bell):  # type: ignore[arg-type]
                told.append(run["run_id"])  # type: ignore[index]
                act = then.pop(told[-1], None)
                if act is not None:
                    act()
                if not then:
                    return


def read(runs: Runs, then: dict[str, Any]) -> list[str]:
    told: list[str] = []
    asyncio.run(asyncio.wait_for(runs.read(told, then), 20))
    return told


def test_no_run_is_passed_over_however_many_come_while_one_is_read() -> None:
    runs, count = Runs(1), 5 * RUNS_MAX

    def come() -> None:
        for _ in range(count):
            runs.add()

    assert read(runs, {"r0": come, f"r{count}": lambda: None}) == [f"r{n}" for n in range(count + 1)]


def test_a_run_that_waits_for_its_time_does_not_hold_up_others() -> None:
    runs = Runs(1)

    def later() -> None:
        runs.add("queued")
        runs.add()

    def begins() -> None:
        runs.rows[1]["status"] = "open"

    assert read(runs, {"r0": later, "r2": begins, "r1": lambda: None}) == ["r0", "r2", "r1"]
