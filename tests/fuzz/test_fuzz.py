"""A small round of the fuzzer (`make fuzz` runs a long one), and the fuzzer's own promises."""

from __future__ import annotations

import sys
from random import Random

import pytest
from tests.differential.value_kinds import KINDS
from tests.fuzz.__main__ import main
from tests.fuzz.mutations import frame, of_trees
from tests.fuzz.rounds import run_block
from tests.fuzz.targets import ALL, SHARES
from tests.fuzz.trees import parse, write
from tests.protocol.samples import CODEC

from drumline_protocol.errors import DecodeError


@pytest.mark.timeout(600)
def test_a_round_of_frames_meets_only_clean_answers(capfd: pytest.CaptureFixture[str]) -> None:
    code = main(["--frames", "20000", "--seed", str(sys.maxsize)])
    assert code == 0, capfd.readouterr().out


def test_the_same_seed_makes_the_same_frames() -> None:
    one, other = run_block(5, 0), run_block(5, 0)
    assert one.outcomes == other.outcomes
    assert one.outcomes != run_block(5, 1).outcomes
    assert [frame(Random(3), ALL) for _ in range(5)] == [frame(Random(3), ALL) for _ in range(5)]


def test_frames_of_values_of_every_kind() -> None:
    """Arrays, tables, exceptions, secrets: mutated, each is a value or a DecodeError, and nothing else."""
    frames = [CODEC.encode(make()) for make in KINDS.values()]
    rng = Random(5)
    outcomes = set()
    for _ in range(4000):
        data = of_trees(rng, rng.choice(frames), frames)
        try:
            CODEC.decode(data)
            outcomes.add("read")
        except DecodeError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_trees_are_what_they_were_parsed_from() -> None:
    for data in ALL:
        assert write(parse(data)) == data


def test_frames_reach_past_the_decoder() -> None:
    told = run_block(7, 0)
    for target in SHARES:
        outcomes = {outcome for name, outcome in told.outcomes if name == target}
        assert len(outcomes) > 1, (target, outcomes)
    kinds = {outcome for (name, outcome) in told.outcomes if name == "inbox"}
    assert len(kinds) > 8
    rng = Random(1)
    assert len({of_trees(rng, ALL[0], ALL) for _ in range(200)}) > 150
