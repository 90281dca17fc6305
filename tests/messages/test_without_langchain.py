"""A process without langchain-core: native messages work there, LangChain's say what to install."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: put before a program: from then on langchain-core cannot be imported
HIDE = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("langchain_core", "langchain", "langgraph", "langsmith"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
"""


def run(program: str, *, hidden: bool = True) -> str:
    """What the program prints; it must end well."""
    source = (HIDE if hidden else "") + textwrap.dedent(program)
    done = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_is_hidden() -> None:
    assert (
        run("""
        try:
            import langchain_core
        except ModuleNotFoundError:
            print("hidden")
    """)
        == "hidden"
    )


def test_native_tokens() -> None:
    """Asking for `messages` does not ask for langchain-core. A message in the state is a dict."""
    assert (
        run("""
        from drumline import messages
        from drumline.graph import START, MessagesState, StateGraph
        from drumline.graph.message import push_message

        def answer(state):
            out = messages.start(tags=["t"])
            for token in ("Cats", " sleep"):
                out.write(token)
            messages.emit({"role": "tool", "content": "fed", "tool_call_id": "c"})
            push_message({"role": "assistant", "content": "pushed", "id": "p"})
            return {"messages": [out.message()]}

        for strict in (False, True):
            graph = StateGraph(MessagesState).add_node(answer).add_edge(START, "answer").compile(strict_wire=strict)
            question = {"messages": [{"role": "user", "content": "cats?", "id": "q"}]}
            for mode, item in graph.stream(question, stream_mode=["messages", "values"]):
                if mode == "messages":
                    message, metadata = item
                    print(type(message).__name__, message.type, message.content, metadata.get("tags"))
                else:
                    print([message["content"] for message in item["messages"]])
    """).splitlines()
        == [
            "['cats?']",
            "MessageChunk ai Cats ['t']",
            "MessageChunk ai  sleep ['t']",
            "Message tool fed None",
            "Message ai pushed None",
            "['cats?', 'pushed', 'Cats sleep']",
        ]
        * 2
    )


def test_a_reader_of_langchain_messages_is_told_what_to_install() -> None:
    """The worker has langchain-core and the reader has not: the reader's first such item raises."""
    item = run(
        """
        from langchain_core.messages import AIMessageChunk
        from drumline_protocol import wire
        from drumline_protocol.codec import Codec
        header = {"id": "1", "kind": "chunk", "call": 1}
        print(wire.encode_item(Codec(), 1, (AIMessageChunk("x", id="1"), {"langgraph_node": "n"}), header).hex())
        """,
        hidden=False,
    )
    told = run(f"""
        from drumline.views import View
        from drumline_protocol import wire
        from drumline_protocol.codec import Codec
        from drumline_protocol.facts import *

        codec = Codec()
        for mode in ("custom", "messages"):
            view = View([mode], decode_item=lambda data: wire.decode_item(codec, data))
            view.fold(RunStarted("r", "g", "", ("messages",), {{"": Sketch("g", [], [])}}, {{}}, (), 0.0))
            view.fold(GraphEntered((), "", {{}}))
            view.fold(PlanMade((), 1, 9, [PlannedTask("t", "n", ("__pregel_push", 0, False), (), {{}})], 0.0))
            try:
                print(view.fold(Emitted("t", 1, 0, "w", [bytes.fromhex("{item}")])))
            except ModuleNotFoundError as error:
                print(type(error).__name__, error.name, error)
    """).splitlines()
    assert told[0] == "[]", "who does not ask for messages does not need them"
    assert told[1].startswith("LangChainMissing langchain_core ")
    assert 'pip install "drumline[langchain]"' in told[1]


def test_nothing_of_langchain_is_imported_before_messages_are_asked_for() -> None:
    """`messages` is what loads it, so that models find the handler; other modes, and imports, do not."""
    assert run(
        """
        import sys
        import drumline, drumline.messages, drumline.graph.message, drumline.cluster, drumline_worker.service
        from drumline.graph import START, StateGraph

        def loaded():
            return [name for name in sys.modules if name.split(".")[0] in ("langchain_core", "langsmith")]

        graph = StateGraph(dict).add_node("n", lambda state: state).add_edge(START, "n").compile()
        list(graph.stream({}, stream_mode=["values", "custom", "tasks"]))
        print(len(loaded()))
        list(graph.stream({}, stream_mode="messages"))
        print("langchain_core.callbacks" in loaded())
        """,
        hidden=False,
    ).split() == ["0", "True"]
