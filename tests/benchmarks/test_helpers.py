"""The pure parts of the benchmarks: what they count must be right, for nobody looks twice at a table."""

from __future__ import annotations

import pytest
from benchmarks.harness import Contender, FailedSample, Table, measure
from benchmarks.proc import Stat, family, parse_peak, parse_stat
from benchmarks.relay import CommandSizes
from benchmarks.report import table_text
from benchmarks.turns import add_figures, arguments, compare

from drumline_transport.connection import pack


@pytest.mark.parametrize("piece", [1, 2, 7, 64, 10_000])
def test_sizes_of_commands_are_those_on_the_wire_in_pieces_of_any_length(piece: int) -> None:
    commands = [
        pack("EVALSHA", "a" * 40, 1, "key", b"*3\r\n$4\r\nEVIL\r\n" * 50),
        pack("evalsha", "a" * 40, 0, b""),
        pack("XADD", "log", "*", "d", b"x" * 5_000),
        pack("PING"),
    ]
    sizes = CommandSizes()
    stream = b"".join(commands)
    for at in range(0, len(stream), piece):
        sizes.feed(stream[at : at + piece])
    assert sizes.largest == {b"EVALSHA": len(commands[0]), b"XADD": len(commands[2]), b"PING": len(commands[3])}


def test_what_is_no_command_is_refused() -> None:
    with pytest.raises(ValueError, match="no array of bulk strings"):
        CommandSizes().feed(b":12\r\n")


def test_a_process_with_an_odd_name() -> None:
    line = "12 (a) b ((c) S 7 12 12 0 -1 4194560 100 0 0 0 250 50 3 4 20 0 9 0 100 1 2 3"
    assert parse_stat(line) == Stat(parent=7, cpu_ticks=300)


def test_peak_memory() -> None:
    assert parse_peak("Name:\tx\nVmPeak:\t  9000 kB\nVmHWM:\t    1234 kB\nVmRSS:\t 1 kB\n") == 1234 * 1024
    assert parse_peak("Name:\tkthreadd\n") == 0


def test_a_family_has_grandchildren_and_nobody_else() -> None:
    parents = {1: 0, 10: 1, 11: 10, 12: 11, 20: 1, 21: 20}
    assert family(10, {pid: Stat(parent, 0) for pid, parent in parents.items()}) == {10, 11, 12}


def test_a_failed_sample_keeps_its_figures_and_ends_its_contender_only() -> None:
    def fails() -> dict[str, float]:
        raise FailedSample("ValueError: too large", {"MB": 7.0})

    contenders = [Contender("good", lambda: {"s": 1.0, "MB": 2.0}), Contender("bad", fails)]
    measured = measure(Table("key", "title", ["s", "MB"], contenders, rounds=2, budget_s=5, warm=False))
    assert measured.results["good"].figures == {"s": [1.0, 1.0], "MB": [2.0, 2.0]}
    assert measured.results["bad"].figures == {"MB": [7.0]}
    (row,) = [line for line in table_text(measured).splitlines() if "bad" in line]
    assert [cell.strip() for cell in row.split("|")[1:-1]] == [
        "bad",
        "failed: ValueError: too large",
        "7.00 (7.00-7.00)",
    ]


def test_versions_are_compared_by_the_medians_of_what_both_measured() -> None:
    def report(values: list[float], **more: list[float]) -> dict[str, object]:
        return {"tables": {"w1": {"contenders": {"a": {"us": values, **more}, "b": {"error": "TooLong", "MB": [1.0]}}}}}

    before, after = {}, {}
    add_figures(before, report([100.0, 300.0], old=[1.0]))
    add_figures(before, report([200.0]))
    add_figures(after, report([100.0, 100.0]))
    assert compare(before, after) == [
        ["w1", "a", "us", "200", "100", "0.50"],
        ["w1", "b", "MB", "1.00", "1.00", "1.00"],
    ]


def test_words_behind_the_dashes_are_for_the_benchmarks() -> None:
    options = arguments(["a/python", "b/python", "--rounds", "2", "--", "--only", "w1", "--quick"])
    assert (str(options.before), str(options.after), options.rounds) == ("a/python", "b/python", 2)
    assert options.words == ["--only", "w1", "--quick"]
    assert arguments(["a", "b"]).words == []
