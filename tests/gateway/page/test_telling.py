"""The mode `facts`: what is told of each kind of fact, and that it changes nothing of the other modes."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from tests.gateway.stand import talk
from tests.protocol.messages import FACTS

from drumline.views import View, parse_modes
from drumline.views.telling import TellingView, told_of
from drumline_gateway.json_values import plain
from drumline_protocol import facts as f

#: told by nothing: what only heads hold, and what only the machine needs
SILENT = {f.RunKept, f.GraphKept, f.UpdateBegun}


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: type(fact).__name__)
def test_every_kind_of_fact_is_told_or_known_to_be_left_out(fact: Any) -> None:
    told = told_of(fact)
    if told is None:
        assert type(fact) in SILENT or isinstance(fact, f.UnknownFact)
        return
    assert told["fact"] == type(fact).__name__
    assert "writes" not in told and "cells" not in told and "changes" not in told
    assert plain(told)["fact"] == told["fact"]


def test_no_kind_of_fact_is_forgotten() -> None:
    assert {type(fact) for fact in FACTS} >= set(get_args(f.Fact)) - SILENT - {f.RunKept, f.GraphKept}


def test_a_failure_is_told_as_the_error_that_it_was() -> None:
    found = [told_of(fact) for fact in FACTS if type(fact) is f.TaskFailed]
    assert found and all(told is not None and plain(told)["error"]["error"] == "ValueError" for told in found)


@pytest.mark.parametrize("graph", ["speak", "nested"])
def test_facts_stand_before_the_items_that_they_add_and_change_none(graph: str) -> None:
    modes = ["values", "updates", "tasks"]

    def items(*more: str) -> list[Any]:
        stream = talk()[graph].stream({"topic": "x"}, stream_mode=[*modes, *more], version="v2", subgraphs=True)
        return list(stream)

    with_facts = items("facts")
    kinds = [part["data"]["fact"] for part in with_facts if part["type"] == "facts"]
    assert (kinds[0], kinds[-1]) == ("RunStarted", "RunFinished") and "PlanMade" in kinds
    before = [with_facts[at - 1]["type"] for at, part in enumerate(with_facts) if part["type"] == "updates"]
    assert "facts" in before
    shapes = [(part["type"], len(part["ns"])) for part in with_facts if part["type"] != "facts"]
    assert shapes == [(part["type"], len(part["ns"])) for part in items()]


def test_the_mode_is_not_offered() -> None:
    assert parse_modes("facts") == (("facts",), False)
    with pytest.raises(ValueError, match="the modes are values") as told:
        parse_modes("fact")
    assert "facts" not in str(told.value)
    assert issubclass(TellingView, View)
