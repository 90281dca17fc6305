"""`--app`: every form that names a graph, and every way to get it wrong, told in one sentence."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.command import drumline, environment

from drumline.apps import AppFailed, AppNotFound, load_programs, parse_app
from drumline.langgraph import UnsupportedLangGraph

GRAPH = """
from typing import TypedDict
from drumline.graph import START, StateGraph

class State(TypedDict, total=False):
    word: str

def say(state: State) -> State:
    return {"word": "said"}

def build(name):
    return StateGraph(State).add_node("say", say).add_edge(START, "say").compile(name=name)

graph = build("one")
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a file into a folder that is the current one; its modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])

    def put(name: str, text: str = "", *, base: str = GRAPH) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(base + text)
        return path

    yield put
    mine = [name for name, module in sys.modules.items() if str(tmp_path) in str(getattr(module, "__file__", ""))]
    for name in mine:
        del sys.modules[name]


@pytest.mark.parametrize("spec", ["app_a.py:graph", "./app_a.py:graph", "app_a:graph"])
def test_a_graph_is_named_by_its_attribute(write: Write, spec: str) -> None:
    write("app_a.py")
    assert list(load_programs([spec])) == ["graph"]
    assert load_programs([spec])["graph"].name == "one"


@pytest.mark.parametrize("spec", ["joke=app_b.py:graph", "joke=app_b:graph"])
def test_name_in_front(write: Write, spec: str) -> None:
    write("app_b.py")
    assert list(load_programs([spec])) == ["joke"]


def test_several_apps_and_dotted_attributes(write: Write) -> None:
    write("app_c.py", "class Graphs:\n    first = build('f')\n")
    write("app_d.py")
    assert list(load_programs(["app_c.py:Graphs.first", "app_d:graph"])) == ["first", "graph"]


def test_a_mapping_serves_each_of_its_graphs(write: Write) -> None:
    write("app_e.py", "GRAPHS = {'a': build('a'), 'b': build('b')}\n")
    assert list(load_programs(["app_e.py:GRAPHS"])) == ["a", "b"]


def test_a_lazy_mapping_builds_its_graphs_here(write: Write) -> None:
    text = """
from collections.abc import Mapping
class Lazy(Mapping):
    def __getitem__(self, name): return build(name)
    def __iter__(self): return iter(["seed1", "seed2"])
    def __len__(self): return 2
GRAPHS = Lazy()
"""
    write("app_f.py", text)
    assert list(load_programs(["app_f.py:GRAPHS"])) == ["seed1", "seed2"]


def test_a_function_without_arguments_is_called(write: Write) -> None:
    write("app_g.py", "def make(extra=1):\n    return build('made')\n")
    assert load_programs(["app_g.py:make"])["make"].name == "made"


def test_the_file_of_a_package_is_imported_by_its_dotted_name(write: Write, tmp_path: Path) -> None:
    """So relative imports work, and its classes have one name however it is named."""
    write("pack/__init__.py", base="")
    write("pack/parts.py")
    write("pack/app.py", "from .parts import graph\n", base="")
    load_programs([f"{tmp_path}/pack/app.py:graph"])
    assert "pack.app" in sys.modules
    assert "app" not in sys.modules
    assert list(load_programs(["pack.app:graph"])) == ["graph"]


def test_a_file_imports_what_lies_beside_it(write: Write) -> None:
    write("deep/helper_of_app.py")
    write("deep/app_h.py", "from helper_of_app import graph\n", base="")
    assert list(load_programs(["deep/app_h.py:graph"])) == ["graph"]


def test_version_is_a_part_of_the_fingerprint(write: Write) -> None:
    write("app_i.py")
    plain, again = (load_programs(["app_i.py:graph"])["graph"].fingerprint for _ in range(2))
    versioned = load_programs(["app_i.py:graph"], version="2")["graph"].fingerprint
    assert plain == again != versioned


def test_the_same_file_has_the_same_fingerprint_in_another_process(write: Write) -> None:
    path = write("app_j.py")
    code = "from drumline.apps import load_programs as l; print(l(['app_j.py:graph'])['graph'].fingerprint)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=path.parent, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == load_programs(["app_j.py:graph"])["graph"].fingerprint


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("nowhere.py:graph", ["there is no file", "nowhere.py", "That folder holds app_k.py"]),
        ("no/folder.py:graph", ["There is no folder", "no"]),
        ("nowhere_mod:graph", ["there is no module 'nowhere_mod'", "current folder", "PYTHONPATH"]),
        ("app_k.py:grpah", ["has no attribute 'grpah'", "Its graphs are: graph", "app_k.py:graph"]),
        ("app_k.py", ["is named without an attribute", "Its graphs are: graph"]),
        ("app_k:say", ["is a function that needs arguments (state)"]),
        ("app_k:State", ["not a compiled graph"]),
        ("app_k:raw", ["StateGraph", "add .compile()"]),
        ("app_k:nothing", ["is a mapping without graphs"]),
        ("n=app_k:many", ["a mapping of 1 graphs", "leave `n=` out"]),
        ("app k:graph", ["names no app", "NAME="]),
        (":graph", ["names no app"]),
        ("app_k:", ["names no app"]),
    ],
)
def test_what_cannot_be_served_is_told(write: Write, spec: str, told: list[str]) -> None:
    write("app_k.py", "raw = StateGraph(State)\nnothing = {}\nmany = {'x': graph}\n")
    with pytest.raises(AppNotFound) as caught:
        load_programs([spec])
    for part in told:
        assert part in str(caught.value)


# -- graphs that LangGraph compiled ------------------------------------------------------------------

LANGGRAPH = GRAPH.replace("drumline.graph", "langgraph.graph")
HAS_SAVER = """
from langgraph.checkpoint.memory import InMemorySaver
saved = StateGraph(State).add_node("say", say).add_edge(START, "say").compile(checkpointer=InMemorySaver())
"""
OWN_CHANNEL = """
from typing import Annotated
from langgraph.channels import LastValue

class Own(LastValue): pass
class Held(TypedDict): text: Annotated[str, Own]

odd = StateGraph(Held).add_node("say", say).add_edge(START, "say").compile()
"""
FLOW = """
from langgraph.func import entrypoint

@entrypoint()
def flow(word):
    return word
"""


@pytest.mark.parametrize("spec", ["app_l.py:graph", "app_l:graph", "app_l.py:make"])
def test_a_graph_of_langgraph_is_served_as_it_is(write: Write, spec: str) -> None:
    write("app_l.py", "def make(): return graph\n", base=LANGGRAPH)
    ((name, program),) = load_programs([spec]).items()
    assert (name, program.name) == (spec.rpartition(":")[2], "one")
    assert program.nodes["say"].makes_writes


def test_a_functional_graph_of_langgraph_is_served(write: Write) -> None:
    write("app_q.py", FLOW, base="")
    assert load_programs(["app_q.py:flow"])["flow"].nodes


def test_a_graph_of_langgraph_with_a_saver_is_served(write: Write) -> None:
    write("app_u.py", HAS_SAVER, base=LANGGRAPH)
    assert load_programs(["app_u.py:saved"])["saved"].nodes


def test_a_mapping_of_both_kinds(write: Write) -> None:
    write("app_r.py", "import theirs\nGRAPHS = {'ours': graph, 'theirs': theirs.graph, 'flow': theirs.flow}\n")
    write("theirs.py", FLOW, base=LANGGRAPH)
    programs = load_programs(["app_r.py:GRAPHS"])
    kinds = {name: any(node.makes_writes for node in program.nodes.values()) for name, program in programs.items()}
    assert kinds == {"ours": False, "theirs": True, "flow": True}
    with pytest.raises(AppNotFound, match="Its graphs are: GRAPHS, graph"):
        load_programs(["app_r.py:nothing"])


def test_version_is_a_part_of_the_fingerprint_of_langgraphs_graphs_too(write: Write) -> None:
    write("app_s.py", base=LANGGRAPH)
    fingerprints = {load_programs(["app_s.py:graph"], version=text)["graph"].fingerprint for text in (None, None, "2")}
    assert len(fingerprints) == 2


@pytest.mark.parametrize(
    ("text", "spec", "told"),
    [
        (OWN_CHANNEL, "app_t.py:odd", ["Channel class app_t.Own", "key 'text'", "use one of langgraph.channels"]),
        ("raw = StateGraph(State)\n", "app_t.py:raw", ["langgraph.graph.state.StateGraph", "add .compile()"]),
    ],
)
def test_a_graph_of_langgraph_that_is_refused_is_told_without_a_traceback(
    write: Write, text: str, spec: str, told: list[str]
) -> None:
    """By every command that loads apps, without a broker; with the exit code of other mistakes in an app."""
    folder = write("app_t.py", text, base=LANGGRAPH).parent
    for command in ("worker", "coordinator", "up"):
        # `up` makes the cluster before it starts others: it needs a broker, its own
        env = environment() if command == "up" else environment(DRUMLINE_BROKER="redis://127.0.0.1:1")
        done = drumline(command, spec, cwd=folder, env=env)
        said = done.stdout + done.stderr  # `up` passes on what its children say
        assert done.returncode == 1, said
        assert "Traceback" not in said
        line = next((line for line in said.splitlines() if "drumline: error:" in line), said)
        for part in (repr(spec), *told):
            assert part in line


def test_a_graph_of_another_langgraph_is_told(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise UnsupportedLangGraph("LangGraph 9.9 is installed")

    monkeypatch.setattr("drumline.langgraph.graph.check_version", refuse)
    write("app_u.py", base=LANGGRAPH)
    with pytest.raises(AppNotFound, match=r"'app_u\.py:graph' cannot be served: LangGraph 9\.9 is installed"):
        load_programs(["app_u.py:graph"])


def test_no_app_at_all(write: Write) -> None:
    write("app_m.py")
    with pytest.raises(AppNotFound, match="no app is named"):
        load_programs([])


def test_two_apps_of_one_name(write: Write) -> None:
    write("app_n.py", "other = graph\n")
    with pytest.raises(AppNotFound, match="both named 'graph'"):
        load_programs(["app_n.py:graph", "graph=app_n.py:other"])


def test_a_file_whose_name_is_taken(write: Write) -> None:
    write("json.py")
    with pytest.raises(AppNotFound, match="Rename the file"):
        load_programs(["json.py:graph"])


def test_two_files_of_one_name(write: Write) -> None:
    write("left/same_name.py")
    write("right/same_name.py")
    with pytest.raises(AppNotFound, match=r"left.same_name\.py already"):
        load_programs(["a=left/same_name.py:graph", "b=right/same_name.py:graph"])


@pytest.mark.parametrize("spec", ["app_o.py:graph", "app_o:graph"])
@pytest.mark.parametrize(("text", "error"), [("1 / 0", "ZeroDivisionError"), ("import sys; sys.exit(3)", "SystemExit")])
def test_the_apps_own_error_shows_its_own_traceback(write: Write, spec: str, text: str, error: str) -> None:
    write("app_o.py", f"\ndef helper():\n    {text}\nhelper()\n")
    with pytest.raises(AppFailed, match=error) as caught:
        load_programs([spec])
    lines = caught.value.user_traceback.splitlines()
    assert "app_o.py" in lines[1], "the first frame is the app's"
    assert "in helper" in caught.value.user_traceback
    assert "importlib" not in caught.value.user_traceback
    assert "drumline" not in lines[1]


def test_a_missing_import_inside_of_the_app_is_the_apps_error(write: Write) -> None:
    write("app_p.py", "import not_installed_anywhere\n")
    with pytest.raises(AppFailed, match="not_installed_anywhere"):
        load_programs(["app_p:graph"])


def test_parse_app_keeps_the_parts(tmp_path: Path) -> None:
    app = parse_app("x=a/b.py:c.d", tmp_path)
    assert (app.name, app.path, app.attribute) == ("x", tmp_path / "a" / "b.py", "c.d")
    app = parse_app("a.b:c")
    assert (app.name, app.path, app.module, app.attribute) == (None, None, "a.b", "c")
