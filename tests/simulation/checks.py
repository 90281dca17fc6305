"""What must be true at the end of a run, beside the invariants that the kit watches at every commit.

`check_run` compares what clients saw with the run without faults.
"""

from typing import Any

from tests.differential.compare import difference, exact_difference
from tests.differential.normal import Recorded, show

from drumline.cluster.position import BEGINNING, Position
from drumline.reading import output_coercion
from drumline.testing._sim.watch import LogWatch, demand
from drumline.testing.errors import InvariantViolation as Violation
from drumline_protocol.errors import NoCoordinator, PoisonedRun, RunCancelled, TaskLost
from drumline_protocol.limits import ACCEPT_TIMEOUT_MS

from .clients import Items, SimClient, SimRun


def check_run(client: SimClient, log: LogWatch) -> str:
    """The run ended as it should (I2, I5), and every reader got what there is (I6, I8). Returns how it ended."""
    run = client.run
    demand(run.ended, f"I8: the reader of {run.id} does not see the end")
    if run.damaged:
        return "damaged" if run.failure is None else type(run.failure).__name__
    demand(not run.told, f"the reader of {run.id}, which nobody damaged, is told {run.failure!r}")
    demand(log.ended, f"I2: the log of {run.id} has no end")
    _check_resuming(client)
    _check_tokens(run)
    failure = run.failure
    if run.poison or isinstance(failure, PoisonedRun):
        demand(run.poison and isinstance(failure, (PoisonedRun, RunCancelled)), f"{run.id} ends with {failure!r}")
    if isinstance(failure, NoCoordinator):
        waited_ms = log.facts[0].at_ms - run.submitted_ms
        demand(waited_ms > ACCEPT_TIMEOUT_MS, f"{run.id} is refused as too old after {waited_ms} ms")
    if isinstance(failure, (RunCancelled, PoisonedRun, TaskLost, NoCoordinator)):
        return type(failure).__name__
    reference = run.subject.reference.of_mode(*run.modes)
    seen = Recorded.of((item for item, _ in run.items), run.failure)
    compare = exact_difference if run.subject.exact else difference
    found = compare(reference, seen)
    demand(found is None, f"I5, I6: run {run.id} of {run.subject.name} differs:\n{found}")
    return "as it should"


def _check_resuming(client: SimClient) -> None:
    run = client.run
    seen = [(show(item), position) for item, position in run.items]
    _demand_same("I8: a second reader", run, client.read_from(BEGINNING), seen)
    if seen:
        at = client.rng.randrange(len(seen))
        rest = client.read_from(seen[at][1])
        _demand_same(f"I8: a reader that joins at {seen[at][1]}", run, rest, seen[at + 1 :])
    parts = client.read_from(BEGINNING, "v2")
    told = [(p["ns"], p["type"], _as_v1(p)) for p, _ in parts if p["type"] != "retracted"]
    if output_coercion(run.subject.graph.program) is None:
        demand(
            [show(part) for part in told] == [text for text, _ in seen], f"v2 of {run.id} says something else than v1"
        )


def _as_v1(part: dict[str, Any]) -> Any:
    """The payload of a part: v2 shows interrupts beside the values, v1 among them."""
    return {**part["data"], "__interrupt__": part["interrupts"]} if part.get("interrupts") else part["data"]


def _demand_same(who: str, run: SimRun, items: Items, other: list[tuple[str, Position]]) -> None:
    mine = [(show(item), position) for item, position in items]
    if mine != other:
        at = next((i for i, pair in enumerate(zip(mine, other, strict=False)) if pair[0] != pair[1]), "the end")
        raise Violation(f"{who} of {run.id} got {len(mine)} items, not {len(other)}; they differ at {at}")


def _check_tokens(run: SimRun) -> None:
    """Each task's tokens came once, in order, none left out; what a node emits behind its end never comes (I6, I7)."""
    heard: dict[tuple[Any, str], int] = {}
    for (ns, mode, payload), _ in run.items:
        if mode != "custom" or not isinstance(payload, dict):
            continue
        demand("late" not in payload, f"I7: run {run.id} shows an event from behind a node's end")
        if "who" in payload:
            expected = heard.get((ns, payload["who"]), 0)
            text = f"token {payload} comes when {expected} is next"
            demand(payload["n"] == expected, f"I6: run {run.id}: {text}")
            heard[ns, payload["who"]] = expected + 1
