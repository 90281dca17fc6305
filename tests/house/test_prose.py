"""Paragraphs of comments and docstrings are filled: none has the stubs that a reflow leaves behind."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path

import pytest

from .rooms import short, sources, tree_of

WIDTH = 120
#: A line may end so many columns early. With more room than that, the next word would have stood there.
SPARE_MAX = 20

#: files whose docstrings have code with one indent in them
CODE_INSIDE = frozenset({"client/drumline/messages.py"})

Line = tuple[int, str]  # its number, and its text in the columns where the file has it

#: what is no prose: a table, an item of a list, code
_LISTED = re.compile(r"\s*([-*|>=]|\d+[.)] )|.*\S {2,}\S")
_QUOTES = re.compile(r'^(\s*)[rR]?"""|"""\s*$')


def _docstrings(path: Path, rows: Sequence[str]) -> Iterator[list[Line]]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(
            node
        ):
            doc = node.body[0]
            last = doc.end_lineno or doc.lineno
            yield [(number, _QUOTES.sub(r"\1", rows[number - 1])) for number in range(doc.lineno, last + 1)]


def _comments(rows: Sequence[str]) -> Iterator[list[Line]]:
    tokens = tokenize.generate_tokens(io.StringIO("\n".join(rows)).readline)
    numbers = [t.start[0] for t in tokens if t.type == tokenize.COMMENT and rows[t.start[0] - 1].lstrip()[0] == "#"]
    for _, block in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        yield [(number, re.sub("#[:!]?", " ", rows[number - 1], count=1)) for _, number in block]


def _paragraphs(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Runs of lines with one indent; without those that have a list, a table or code in them."""
    for indent, group in groupby(lines, lambda line: len(line[1]) - len(line[1].lstrip()) if line[1].strip() else -1):
        found = list(group)
        if indent >= 0 and not any(_LISTED.match(text.strip()) for _, text in found):
            yield found


def stubs_of(path: Path) -> list[str]:
    """The lines of a file that end too early, each with the word that would have fitted."""
    rows = path.read_text(encoding="utf-8").split("\n")
    found = []
    for block in (*_docstrings(path, rows), *_comments(rows)):
        for paragraph in _paragraphs(block):
            for (number, line), (_, following) in pairwise(paragraph):
                word = following.split()[0]
                if WIDTH - len(line.rstrip()) - 1 - len(word) > SPARE_MAX:
                    found.append(f"{short(path)}:{number} ends before {word!r}")
    return found


def test_no_paragraph_has_a_stub() -> None:
    found = [stub for path in sources() for stub in stubs_of(path) if stub.split(":")[0] not in CODE_INSIDE]
    assert not found, "fill these paragraphs:\n" + "\n".join(found)


@pytest.mark.parametrize("text", ['"""{}\n{}\n"""', "# {}\n# {}\nx = 1", "x = 1\n#: {}\n#: {}\ny = 2"])
def test_a_stub_is_found(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.short", str)
    file = tmp_path / "file.py"
    file.write_text(text.format("A sentence that a reflow broke, because", "it had two words too many."))
    assert len(stubs_of(file)) == 1
    file.write_text(
        text.format(
            "A sentence that goes on up to a column near the end of the line, as it should, " * 1 + "x" * 30, "so."
        )
    )
    assert not stubs_of(file)
    file.write_text(text.format("This line is long enough " * 4, "for every word that follows it."))
    assert not stubs_of(file)
