"""What a comment, a docstring or a page points to is there: files, sections, decisions, targets of make, names."""

from __future__ import annotations

import ast
import builtins
import datetime
import functools
import importlib
import io
import keyword
import os
import re
import subprocess
import tokenize
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from .rooms import ROOMS, ROOT, around, module_of, pages, short, sources, tree_of

Place = tuple[str, str]  # where, text

_FENCED = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`+([^`]+?)`+")


def prose_of(path: Path) -> Iterator[Place]:
    """Docstrings and comments of a file of Python; of a page all but its blocks of code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield short(path), _FENCED.sub("", text)
        return
    for node in ast.walk(tree_of(path)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            doc = ast.get_docstring(node)
            if doc:
                yield f"{short(path)}:{getattr(node, 'lineno', 1)}", doc
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield f"{short(path)}:{token.start[0]}", token.string


@functools.cache
def prose() -> list[Place]:
    return [place for path in (*sources(), *around(), *pages()) for place in prose_of(path)]


def dangling(found: Callable[[str], Iterator[str]]) -> list[str]:
    """Where `found(text)` yields something that is not there."""
    return sorted({f"{where}: {what}" for where, text in prose() for what in found(text)})


def headings(page: str) -> str:
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if line.startswith("#"))


# -- numbers -----------------------------------------------------------------------------------------------------------


def _sections(text: str) -> Iterator[str]:
    numbers = set(
        re.findall(r"^#+ (?:Appendix )?([\d.]+\d|\d+|[A-Z])[. ]", headings("docs/semantics.md"), re.MULTILINE)
    )
    for given in re.findall(r"§(\d+(?:\.\d+)?(?:-\d+(?:\.\d+)?)?)", text):
        first, _, last = given.partition("-")
        last = last if "." in last or not last else f"{first.partition('.')[0]}.{last}"
        yield from (f"§{number}" for number in (first, last) if number and number not in numbers)
    yield from (f"Appendix {letter}" for letter in re.findall(r"[Aa]ppendix ([A-Z])\b", text) if letter not in numbers)


def test_sections_are_there() -> None:
    assert not dangling(_sections)


def _rules(text: str) -> Iterator[str]:
    semantics = (ROOT / "docs/semantics.md").read_text(encoding="utf-8")
    invariants = (ROOT / "docs/invariants.md").read_text(encoding="utf-8")
    for letter, number in re.findall(r"(?<![\w`\"'-])([IO])(\d\d?)\b", text):
        if f"\n| {letter}{number} |" not in (invariants if letter == "I" else semantics):
            yield f"{letter}{number}"
    for given in re.findall(r"\bfaults? (\d+(?:(?:, | and |-)\d+)*)", text):
        yield from (f"fault {n}" for n in re.findall(r"\d+", given) if f"\n| {n} |" not in invariants)


def test_rules_invariants_and_faults_are_there() -> None:
    assert not dangling(_rules)


def _decisions(text: str) -> Iterator[str]:
    numbers = {path.name[:4] for path in (ROOT / "docs/decisions").glob("0*.md")}
    for given in re.findall(r"\b[Dd]ecisions? (\d{4})\b|\[(0\d{3})\]", text):
        yield from (f"decision {number}" for number in given if number and number not in numbers)


def test_decisions_are_there() -> None:
    assert not dangling(_decisions)


INDEX = ROOT / "docs/decisions/README.md"
_ROW = re.compile(r"^\| \[(\d{4})\]\((\S+)\) \| (\d{4}-\d\d-\d\d) \| (.*) \|$", re.MULTILINE)


def decision_pages() -> list[tuple[str, str, str]]:
    """(number, name of the file, title) of each page."""
    found = []
    for path in sorted((ROOT / "docs/decisions").glob("0*.md")):
        number, _, title = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").partition(": ")
        assert path.name.startswith(f"{number}-"), f"the head of {path.name} begins with {number!r}"
        found.append((number, path.name, title))
    return found


def write_index() -> None:
    """Put the pages into the table. A page that is new has the date of its first commit, or of today."""
    text = INDEX.read_text(encoding="utf-8")
    dates = {number: date for number, _, date, _ in _ROW.findall(text)}
    for number, name, _ in decision_pages():
        asked = ["git", "log", "--format=%cs", "--diff-filter=A", "--", f"docs/decisions/{name}"]
        told = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
        dates.setdefault(number, told[-1] if told else datetime.date.today().isoformat())
    rows = [f"| [{number}]({name}) | {dates[number]} | {title} |" for number, name, title in decision_pages()]
    matches = list(_ROW.finditer(text))
    text = "\n".join((text[: matches[0].start()].rstrip("\n"), *rows)) + text[matches[-1].end() :]
    INDEX.write_text(text, encoding="utf-8")


def test_the_index_of_decisions_names_every_page() -> None:
    """With DRUMLINE_DOCS_UPDATE=1 the table is written instead of compared."""
    if os.environ.get("DRUMLINE_DOCS_UPDATE"):
        write_index()
    rows = _ROW.findall(INDEX.read_text(encoding="utf-8"))
    assert [(number, name, title) for number, name, _, title in rows] == decision_pages()


# -- files and targets -------------------------------------------------------------------------------------------------

_FOLDERS = (*ROOMS, "benchmarks", "deploy", "docs", "examples", "tests", ".ci")


def _paths(text: str) -> Iterator[str]:
    for path in re.findall(rf"(?<![\w./-])((?:{'|'.join(map(re.escape, _FOLDERS))})/[\w./*<>-]*\w)", text):
        bare = path.partition("::")[0]
        if "<" not in bare and not any(ROOT.glob(bare)) and not any(ROOT.glob(f"{bare}.*")):
            yield path


def test_paths_are_there() -> None:
    assert not dangling(_paths)


#: files that belong to a user, or to another project
_NOT_OURS = {
    *("app.py", "graphs.py", "my_app.py", "pyproject.toml", "other.py", "path.py", "file.py", "agents.py"),
    *("langgraph.json", "up.json", ".env", "users.acl", "__init__.py", "x.py", "README.md", "my_agent.py", "office.py"),
}


@functools.cache
def file_names() -> set[str]:
    found = {path.name for folder in _FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()}
    return found | {path.name for path in ROOT.iterdir()}


def _files(text: str) -> Iterator[str]:
    for span in _SPAN.findall(text):
        named = re.fullmatch(r"[\w.-]+\.(?:py|md|lua|toml|yaml|conf|template|sh)", span)
        if named and span not in _NOT_OURS and span not in file_names():
            yield span


def test_files_that_are_named_are_there() -> None:
    assert not dangling(_files)


def _targets(text: str) -> Iterator[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for words in re.findall(r"(?:`|^    )make((?: [a-z][a-z-]*)+)", text, re.MULTILINE):
        yield from (f"make {word}" for word in words.split() if not re.search(rf"^{word}:", makefile, re.MULTILINE))


def test_targets_of_make_are_there() -> None:
    assert not dangling(_targets)


def _elsewhere(text: str) -> Iterator[str]:
    yield from re.findall(r"\.\./shared\S*|(?<![\w/])shared/\w+\.md|/work/\S+|(?<!`)\bDESIGN(?:\.md)?\b", text)


def test_nothing_points_out_of_the_repository() -> None:
    assert not dangling(_elsewhere)


# -- names -------------------------------------------------------------------------------------------------------------


@functools.cache
def modules() -> dict[str, Path]:
    """Every module of the rooms, by the name under which it is imported."""
    return {module_of(path): path for path in sources()}


@functools.cache
def names_of(path: Path) -> frozenset[str]:
    """All that is defined or assigned anywhere in a file: functions, classes, attributes, constants, imports."""
    found: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, (ast.arg, ast.keyword)):
            found.add(node.arg or "")
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update((alias.asname or alias.name).split(".")[-1] for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 200:
            found.update(re.findall(r"\w+", node.value))
    return frozenset(found)


#: of other libraries, of a user's program, or of the interpreter: no code of ours says them
_OF_OTHERS = {
    *("LangGraphAgent", "PyOS_AfterFork_Child", "SomeError", "from_checkpoint", "get_usage_metadata_callback"),
    *("ensure_message_ids", "on_resume", "set_debug", "ssl_certfile", "ssl_keyfile", "tracing_context"),
    "tracing_v2_enabled",
}


@functools.cache
def every_name() -> frozenset[str]:
    """Names of all code: also those of other libraries, as far as our code says them."""
    found = set(dir(builtins)) | set(keyword.kwlist) | set(file_names())
    for path in (*sources(), *around()):
        found |= names_of(path)
        found.add(path.stem)
        found.update(path.relative_to(ROOT).parts)
    for script in (ROOT / "transport").rglob("*.lua"):
        found.update(re.findall(r"\w+", script.read_text(encoding="utf-8")))
    return frozenset(found | _OF_OTHERS)


@functools.cache
def owners() -> dict[str, set[Path]]:
    """Stem of a file, and name of a class -> where it is defined."""
    found: dict[str, set[Path]] = defaultdict(set)
    for path in (*sources(), *around()):
        found[path.stem].add(path)
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef):
                found[node.name].add(path)
    return found


def _imported(span: str) -> bool:
    """Whether `a.b.c` is a module of ours, or something in one."""
    parts = span.split(".")
    for cut in range(len(parts), 0, -1):
        path = modules().get(".".join(parts[:cut]))
        if path is not None:
            rest = parts[cut:]
            return not rest or rest[0] in names_of(path) or hasattr(importlib.import_module(module_of(path)), rest[0])
    return False


#: stems of files of ours that in prose are a module of Python's, or a variable
_NO_MODULES = {"__main__", "app", "graph", "message", "run", "typing"}


def _owned(parts: list[str]) -> bool:
    """Whether the file or class `parts[0]` has a name `parts[1]`; True if there is no such file or class."""
    places = owners().get(parts[0], ())
    return not places or any(parts[1] in names_of(path) for path in places)


def _dotted(text: str) -> Iterator[str]:
    for span in _SPAN.findall(text):
        call = re.fullmatch(r"([A-Za-z_][\w.]*\w)(?:\(.*\))?", span)
        if call is None or "." not in call[1] or re.search(r"\.(?:py|md|json|toml|lua|yaml|conf)$", call[1]):
            continue
        head = call[1].split(".")
        if head[0] in ROOMS.values():
            if not _imported(call[1]):
                yield span
        elif head[0] not in _NO_MODULES and not _owned(head):
            yield span


def test_dotted_names_are_there() -> None:
    assert not dangling(_dotted)


def _plain(text: str) -> Iterator[str]:
    for span in _SPAN.findall(text):
        name = re.fullmatch(r"_?([A-Z]+[a-z]\w*|[a-z]+_\w+|[A-Z]+_[A-Z_]+)(?:\(\))?", span)
        if name is not None and name[0].removesuffix("()") not in every_name():
            yield span


def test_names_are_there() -> None:
    assert not dangling(_plain)
