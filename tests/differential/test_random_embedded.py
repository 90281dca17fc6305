"""Random graphs: LangGraph against drumline in one process, with and without the codec in between.

A difference prints the seed and the graph as code. `pytest -m full` runs 1,000 seeds on every engine.
Else 300 are run, each on every other engine: with or without the codec in between, by drumline's graph
and through the adapter. `DRUMLINE_TEST_SEEDS=17-18` runs chosen ones, on all. The hypothesis test
draws from the same generator and shrinks."""

import os
import runpy
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from . import guide_graphs, random_graphs
from .compare import difference
from .engines import LANGGRAPH, Engine, engines_under_test
from .harness import ASYNC_ORACLE
from .normal import Recorded
from .random_graphs import GraphSpec, calls_with_classes, from_seed, without_inputs

_BATCH = 25
_FEW, _ALL = 300, 1000


def _chosen() -> range | None:
    first, _, last = os.environ.get("DRUMLINE_TEST_SEEDS", "").rpartition("-")
    return range(int(first or 0), int(last)) if last else None


def compare(spec: GraphSpec, reference: Recorded, other: Recorded, *, title: str) -> str | None:
    """None, or the text of a difference: title, the graph as code, and the diff of the two streams.

    Both streams must have been taken with `spec.modes` and `subgraphs=True`, as `random_graphs.run`
    does; a stream from a cluster comes through `Recorded.of`.
    """
    found = difference(reference, other)
    return found and f"{title}\n\n{random_graphs.as_code(spec)}\n{found}"


def check(spec: GraphSpec, other: Engine, *, title: str, turn: int) -> str | None:
    """Compare one spec. `turn` varies, over the seeds, how the other engine is driven."""
    if spec.needs_async and not ASYNC_ORACLE:
        return None
    reference = random_graphs.run(LANGGRAPH, spec)
    own_way = other != LANGGRAPH  # LangGraph itself needs astream() for async nodes
    use_async = bool(turn % 2) if own_way or not spec.needs_async else True
    ours = random_graphs.run(other, spec, use_async=use_async)
    if other.adapts and other.strict and calls_with_classes(spec):
        found = compare(spec, without_inputs(reference), without_inputs(ours), title=title)
    else:
        found = compare(spec, reference, ours, title=title)
    if found is None and turn % 3 == 0:
        found = _check_values_alone(spec, reference, other, title)
    return found


def _check_values_alone(spec: GraphSpec, reference: Recorded, other: Engine, title: str) -> str | None:
    """Without live modes and subgraphs the runner takes another way; root `values` are the same."""
    root = [item for item in reference.items if item.mode == "values" and not item.ns]
    alone = random_graphs.run(other, spec, use_async=spec.needs_async, modes=["values"], subgraphs=False)
    return compare(spec, Recorded(root, reference.error), alone, title=f"{title}, values alone")


def run_batch(seeds: range, other: Engine) -> None:
    for seed in seeds:
        found = check(from_seed(seed), other, title=f"seed {seed} on {other.name}", turn=seed)
        assert found is None, found


def _batches(seeds: range) -> list[range]:
    return [seeds[i : i + _BATCH] for i in range(0, len(seeds), _BATCH)]


def _cases(*, left_over: bool = False) -> list[Any]:
    """Engines and seeds: for each batch every other engine, or those that were left over."""
    cases = []
    for turn, seeds in enumerate(_batches(_chosen() or range(_FEW))):
        for number, engine in enumerate(engines_under_test()):
            if (_chosen() is not None or (turn + number) % 2 == 0) != left_over:
                cases.append(pytest.param(engine, seeds, id=f"{engine.name}-{_name(seeds)}"))
    return cases


def _name(seeds: range) -> str:
    return f"{seeds.start}-{seeds.stop}"


@pytest.mark.parametrize(("engine", "seeds"), _cases())
def test_random_graphs(engine: Engine, seeds: range) -> None:
    run_batch(seeds, engine)


@pytest.mark.full
@pytest.mark.parametrize(("engine", "seeds"), _cases(left_over=True))
def test_random_graphs_on_the_other_engines(engine: Engine, seeds: range) -> None:
    run_batch(seeds, engine)


@pytest.mark.full
@pytest.mark.parametrize("seeds", _batches(range(_FEW, _ALL)), ids=_name)
def test_more_random_graphs(other: Engine, seeds: range) -> None:
    run_batch(seeds, other)


@hypothesis.settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
@hypothesis.given(spec=random_graphs.specs())
def test_shrinking(other: Engine, spec: GraphSpec) -> None:
    """The same check under hypothesis: the graph of a failure is as small as it gets."""
    found = check(spec, other, title=f"drawn by hypothesis, on {other.name}", turn=1)
    assert found is None, found


def test_generator_is_stable() -> None:
    """Served seeds mean the same graph in every process."""
    assert [from_seed(seed) for seed in range(50)] == [from_seed(seed) for seed in range(50)]
    assert len({repr(from_seed(seed)) for seed in range(50)}) == 50


def test_a_spec_is_code() -> None:
    """What a failure prints makes the same graph again."""
    for seed in range(30):
        code = random_graphs.as_code(from_seed(seed))
        names: dict[str, object] = {}
        exec(code.rsplit("print(", 1)[0], names)
        assert names["spec"] == from_seed(seed)


def test_served_graphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module that a cluster serves loads by its path alone, from any folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRUMLINE_TEST_SEEDS", "3-5")
    served = runpy.run_path(str(Path(random_graphs.__file__).with_name("served_graphs.py")))
    graphs = served["GRAPHS"]
    assert [name for name in graphs if name.startswith("g") and "_" not in name] == ["g3", "g4"]
    assert graphs["g3"] is graphs["g3"]
    assert graphs["guide_basic"].invoke(guide_graphs.INPUTS["basic"])["topic"]
    with pytest.raises(KeyError):
        graphs["g5"]


def test_generator_draws_everything() -> None:
    """No kind of node, state or edge is forgotten by the weights."""
    specs = [from_seed(seed) for seed in range(_FEW)]
    nodes = [node for spec in specs for node in spec.nodes]
    kinds = {"plain", "none", "command", "command_sends", "commands", "route", "route_sends"}
    assert kinds | {"child", "call", "fail", "overwrite"} <= {node.kind for node in nodes}
    assert {spec.state for spec in specs} == {"typed", "pydantic", "dataclass"}
    assert any(node.defer for node in nodes)
    assert any(node.is_async for node in nodes)
    assert any(spec.joins for spec in specs)
    assert any(spec.messages and node.events for spec in specs for node in spec.nodes)  # these call a model
    assert any(spec.start_router for spec in specs)
