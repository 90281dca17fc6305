"""The `messages` mode for tokens of chat models (docs/semantics.md §4), item by item, metadata and all."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import tool

from .engines import Engine
from .harness import ALL_MODES, ASYNC_ORACLE, raw, same
from .models import ModelBroke, Parrot, Whole
from .states import EMPTY, Log, chain, fan

MODES = [*ALL_MODES, "messages"]
both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])

parrot = Parrot()
joker = Parrot(prefix="joke on", tags=["joke"])
poet = Parrot(prefix="poem on", tags=["poem", "long"])


def says(answer: Any) -> dict[str, Any]:
    return {"log": [answer.content]}


# -- what a node does with a model ---------------------------------------------------------------


def one_call(_: Any) -> Any:
    return says(parrot.invoke("cats"))


def with_config(_: Any, config: RunnableConfig) -> Any:
    return says(parrot.invoke("cats", config))


def streamed(_: Any) -> Any:
    return {"log": [chunk.content for chunk in parrot.stream("cats and dogs")]}


def two_models(_: Any) -> Any:
    return {"log": [joker.invoke("cats").content, poet.invoke("dogs").content, parrot.invoke("").content]}


def tags_of_the_call(_: Any) -> Any:
    return says(joker.invoke("cats", {"tags": ["called"], "metadata": {"of": "call"}}))


def bound_tags(_: Any) -> Any:
    return says(parrot.with_config(tags=["bound"], metadata={"of": "bound"}).invoke("cats"))


def not_streamed(_: Any) -> Any:
    return says(parrot.invoke("cats", {"tags": ["nostream"]}))


def whole(_: Any) -> Any:
    return says(Whole().invoke("cats"))


def streaming_disabled(_: Any) -> Any:
    return says(Parrot(disable_streaming=True).invoke("cats"))


def sequence(_: Any) -> Any:
    prompt = ChatPromptTemplate.from_messages([("system", "be kind"), ("user", "about {topic}")])
    return says((prompt | joker).invoke({"topic": "cats"}))


def parallel_runnables(_: Any) -> Any:
    return {"log": [answer.content for answer in parrot.batch(["one"])]}


def nested_function(_: Any) -> Any:
    return says(RunnableLambda(lambda text: parrot.invoke(text)).invoke("cats"))  # type: ignore[arg-type]


@tool
def explain(topic: str) -> str:
    """Explain a topic by a model of the tool's own."""
    return str(joker.invoke(topic).content)


def called_tool(_: Any) -> Any:
    return {"log": [explain.invoke({"topic": "cats"})]}


def error_is_caught(_: Any) -> Any:
    try:
        return says(Parrot(breaks_at=2).invoke("cats and dogs"))
    except ModelBroke:
        return says(parrot.invoke("after"))


def two_of_one_model(_: Any) -> Any:
    return {"log": [parrot.invoke("cats").content, parrot.invoke("cats").content]}


def own_ids(_: Any) -> Any:
    return says(Parrot(own_ids=True).invoke("cats"))


def fallback(_: Any) -> Any:
    return says(Parrot(breaks_at=1).with_fallbacks([parrot]).invoke("cats"))


def callbacks_of_the_call(_: Any) -> Any:
    return says(parrot.invoke("cats", {"callbacks": []}))


def thread_without_context(_: Any) -> Any:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(parrot.invoke("cats")))
    thread.start()
    thread.join()
    return says(found[0])


def thread_with_config(_: Any, config: RunnableConfig) -> Any:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(parrot.invoke("cats", config)))
    thread.start()
    thread.join()
    return says(found[0])


def thread_with_context(_: Any) -> Any:
    found: list[Any] = []
    run = contextvars.copy_context().run
    thread = threading.Thread(target=lambda: found.append(run(parrot.invoke, "cats")))
    thread.start()
    thread.join()
    return says(found[0])


BODIES: dict[str, Callable[..., Any]] = {
    body.__name__: body
    for body in (
        one_call,
        with_config,
        streamed,
        two_models,
        tags_of_the_call,
        bound_tags,
        not_streamed,
        whole,
        streaming_disabled,
        sequence,
        parallel_runnables,
        nested_function,
        called_tool,
        error_is_caught,
        two_of_one_model,
        own_ids,
        fallback,
        callbacks_of_the_call,
        thread_without_context,
        thread_with_config,
        thread_with_context,
    )
}


UNHEARD = ("not_streamed", "callbacks_of_the_call", "thread_without_context")


@both_ways
@pytest.mark.parametrize("name", BODIES)
def test_models_in_a_node(other: Engine, name: str, use_async: bool) -> None:
    for modes in (MODES, ["messages"]):
        stream = same(lambda e: chain(e, BODIES[name]), other, EMPTY, modes, exact=True, use_async=use_async)
        assert stream.error is None
        assert bool(stream.payloads("messages")) == (name not in UNHEARD)


async def acall(_: Any, config: RunnableConfig) -> Any:
    return says(await parrot.ainvoke("cats", config))


async def astreamed(_: Any, config: RunnableConfig) -> Any:
    return {"log": [chunk.content async for chunk in poet.astream("cats and dogs", config)]}


async def asequence(_: Any, config: RunnableConfig) -> Any:
    prompt = ChatPromptTemplate.from_messages([("user", "about {topic}")])
    return says(await (prompt | joker).ainvoke({"topic": "cats"}, config))


async def awhole(_: Any, config: RunnableConfig) -> Any:
    return says(await Whole().ainvoke("cats", config))


async def atool(_: Any, config: RunnableConfig) -> Any:
    return {"log": [await explain.ainvoke({"topic": "cats"}, config)]}


async def acaught(_: Any, config: RunnableConfig) -> Any:
    try:
        return says(await Parrot(breaks_at=2).ainvoke("cats and dogs", config))
    except ModelBroke:
        return says(await parrot.ainvoke("after", config))


async def sync_call(_: Any, config: RunnableConfig) -> Any:
    return says(parrot.invoke("cats", config))


ASYNC_BODIES: dict[str, Callable[..., Any]] = {
    body.__name__: body for body in (acall, astreamed, asequence, awhole, atool, acaught, sync_call)
}


@pytest.mark.parametrize("name", ASYNC_BODIES)
def test_models_in_an_async_node(other: Engine, name: str) -> None:
    """They get the config by hand, so that LangGraph streams them on every Python."""
    for other_async in (True, False):
        stream = same(
            lambda e: chain(e, ASYNC_BODIES[name]),
            other,
            EMPTY,
            MODES,
            exact=True,
            use_async=True,
            other_async=other_async or other.root == "langgraph",
        )
        assert stream.error is None and stream.payloads("messages")


async def bare(_: Any) -> Any:
    return says(await parrot.ainvoke("cats"))


async def bare_sequence(_: Any) -> Any:
    return says(await (ChatPromptTemplate.from_messages([("user", "cats")]) | parrot).ainvoke({}))


async def bare_task(_: Any) -> Any:
    return says(await asyncio.create_task(parrot.ainvoke("cats")))


async def bare_gather(_: Any) -> Any:
    return {"log": [answer.content for answer in await asyncio.gather(parrot.ainvoke("cats"))]}


async def bare_thread(_: Any) -> Any:
    return says(await asyncio.to_thread(parrot.invoke, "cats"))


async def bare_lambda(_: Any) -> Any:
    async def call(text: str) -> Any:
        return await parrot.ainvoke(text)

    return says(await RunnableLambda(call).ainvoke("cats"))


@both_ways
@pytest.mark.parametrize("body", [bare, bare_sequence, bare_task, bare_gather, bare_thread, bare_lambda, one_call])
def test_async_code_hands_no_config_on(other: Engine, body: Any, use_async: bool) -> None:
    """On Python 3.10 too, where LangGraph loses these tokens: so it is compared only where it does not."""
    if other.root == "langgraph" and not (use_async and ASYNC_ORACLE):
        pytest.skip("LangGraph cannot")
    items, error = raw(chain(other, body), EMPTY, use_async=use_async, stream_mode="messages")
    assert error is None
    assert [chunk.content for chunk, _ in items if chunk.content] == ["on", " cats"]
    assert {metadata["langgraph_node"] for _, metadata in items} == {"n1"}
    if ASYNC_ORACLE:
        same(
            lambda e: chain(e, body),
            other,
            EMPTY,
            ["messages"],
            exact=True,
            use_async=True,
            other_async=use_async,
        )


def test_models_side_by_side_in_a_node(other: Engine) -> None:
    """Several models at once: each one's chunks in order, under an id of its own."""

    async def node(_: Any, config: RunnableConfig) -> Any:
        answers = await asyncio.gather(*(m.ainvoke("a b c d", config) for m in (joker, poet, parrot)))
        return {"log": [answer.content for answer in answers]}

    stream = same(lambda e: chain(e, node), other, EMPTY, ["messages"], exact=True, use_async=True)
    by_id: dict[Any, str] = {}
    for chunk, _ in stream.payloads("messages"):
        by_id[chunk.id] = by_id.get(chunk.id, "") + chunk.content
    assert sorted(by_id.values()) == ["joke on a b c d", "on a b c d", "poem on a b c d"]


def test_models_side_by_side_in_threads(other: Engine) -> None:
    """LangChain's own batch runs them in threads; which one speaks first is a race, what each one says is not."""

    items, error = raw(
        chain(other, lambda _: {"log": [a.content for a in parrot.batch(["one two", "three four", "five"])]}),
        EMPTY,
        stream_mode="messages",
    )
    assert error is None
    words: dict[str, list[str]] = {}
    for chunk, metadata in items:
        assert metadata["langgraph_node"] == "n1"
        if chunk.content:
            words.setdefault(chunk.id, []).append(chunk.content)
    assert sorted(words.values()) == [["on", " five"], ["on", " one", " two"], ["on", " three", " four"]]


@both_ways
def test_without_messages_no_model_is_made_to_stream(other: Engine, use_async: bool) -> None:
    """Nobody asked: the model answers at once, and says so by its metadata (a stream would bring usage)."""

    def build(e: Engine) -> Any:
        return chain(e, lambda _: {"y": str(parrot.invoke("cats").usage_metadata)})

    quiet = same(build, other, EMPTY, ["values"], exact=True, use_async=use_async)
    assert quiet.payloads("values")[-1]["y"] == "None"
    loud = same(build, other, EMPTY, ["values", "messages"], exact=True, use_async=use_async)
    assert "total_tokens" in loud.payloads("values")[-1]["y"]


# -- messages in the state -----------------------------------------------------------------------

QUESTION = {"messages": [{"role": "user", "content": "cats", "id": "q"}]}


@both_ways
@pytest.mark.parametrize("kind", ["streamed", "nostream", "whole", "earlier", "copied", "own_ids"])
def test_returned_answers_are_not_shown_twice(other: Engine, kind: str, use_async: bool) -> None:
    """What was streamed is not repeated; a call with `nostream` is shown as the node's own (as LangGraph does)."""

    def node(state: Any) -> Any:
        model: Any = Whole() if kind == "whole" else Parrot(own_ids=kind == "own_ids")
        answer = model.invoke(state["messages"], {"tags": ["nostream"]} if kind == "nostream" else None)
        if kind == "earlier":
            return {"messages": [*state["messages"], answer, HumanMessage("and you?", id=f"h{len(state['messages'])}")]}
        if kind == "copied":
            answer = AIMessage(answer.content)
        return {"messages": [answer]}

    same(lambda e: chain(e, node, node, state=e.MessagesState), other, QUESTION, MODES, exact=True, use_async=use_async)


def test_a_model_is_a_node(other: Engine) -> None:
    def build(e: Engine) -> Any:
        prompt = RunnableLambda(lambda state: state["messages"])
        answer = RunnableLambda(lambda message: {"messages": [message]})
        return chain(e, prompt | joker | answer, state=e.MessagesState)

    same(build, other, QUESTION, MODES, exact=True)


# -- where models are called ---------------------------------------------------------------------


@both_ways
def test_routers_call_models(other: Engine, use_async: bool) -> None:
    """START's router speaks as `__start__` in step 0, before the first values; a node's router as its node."""

    def build(e: Engine) -> Any:
        def route(state: Any) -> str:
            return "a" if "cats" in joker.invoke("cats").content and not state["log"] else e.END

        builder = e.StateGraph(Log)
        builder.add_node("a", one_call)
        builder.add_conditional_edges(e.START, route, ["a", e.END])
        builder.add_conditional_edges("a", route, ["a", e.END])
        return builder.compile()

    stream = same(build, other, EMPTY, MODES, use_async=use_async)
    nodes = [metadata["langgraph_node"] for _, metadata in stream.payloads("messages")]
    assert nodes[0] == "__start__" and set(nodes) == {"__start__", "a"}
    assert stream.items[0].mode == "messages"
    assert stream.payloads("messages")[0][1]["langgraph_step"] == 0
    same(build, other, EMPTY, ["messages"], exact=True, use_async=use_async)


@both_ways
def test_parallel_and_sent_tasks(other: Engine, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        def sent(state: Any) -> Any:
            return says(joker.invoke(f"number {state['n']}"))

        builder = e.StateGraph(Log)
        for name in ("a", "b"):
            builder.add_node(name, two_models)
            builder.add_edge(e.START, name)
        builder.add_node("sent", sent, metadata={"of": "node"})
        builder.add_conditional_edges("a", lambda _: [e.Send("sent", {"n": i, "log": []}) for i in range(4)])
        return builder.compile()

    stream = same(build, other, EMPTY, MODES, use_async=use_async)
    nodes = [metadata["langgraph_node"] for chunk, metadata in stream.payloads("messages") if chunk.content]
    assert [nodes.count(name) for name in ("a", "b", "sent")] == [7, 7, 4 * 4]


def test_metadata_of_the_run(other: Engine) -> None:
    config = {
        "metadata": {"m": 1, "langgraph_step": "mine"},
        "tags": ["run"],
        "configurable": {"thread_id": "t1", "k": 2, "model": "m"},
        "run_name": "r",
    }
    stream = same(lambda e: chain(e, two_models), other, EMPTY, MODES, exact=True, config=config)
    assert stream.payloads("messages")[0][1]["tags"] == ["run", "joke"]


@both_ways
def test_errors_in_the_middle(other: Engine, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        return chain(e, one_call, lambda _: says(Parrot(breaks_at=3).invoke("cats and dogs")))

    stream = same(build, other, EMPTY, ["messages", "updates"], exact=True, use_async=use_async)
    assert isinstance(stream.error, ModelBroke)
    assert [chunk.content for chunk, _ in stream.payloads("messages")][-3:] == ["on", " cats", " and"]


# -- subgraphs -----------------------------------------------------------------------------------


@both_ways
@pytest.mark.parametrize("subgraphs", [False, True])
@pytest.mark.parametrize("state", ["log", "messages"])
def test_models_in_subgraphs(other: Engine, state: str, subgraphs: bool, use_async: bool) -> None:
    """Without `subgraphs` their tokens are left out; their messages are shown as the parent node's."""

    def build(e: Engine) -> Any:
        schema = Log if state == "log" else e.MessagesState

        def node(_: Any) -> Any:
            answer = joker.invoke("cats")
            return says(answer) if state == "log" else {"messages": [answer]}

        inner = chain(e, node, state=schema)
        return chain(e, node, chain(e, node, inner, state=schema), node, state=schema)

    given = EMPTY if state == "log" else QUESTION
    stream = same(build, other, given, MODES, subgraphs=subgraphs, use_async=use_async)
    same(build, other, given, ["messages"], exact=True, subgraphs=subgraphs, use_async=use_async)
    namespaces = {len(item.ns) for item in stream.items if item.mode == "messages"}
    assert namespaces == ({0, 1, 2} if subgraphs else {0})


@pytest.mark.parametrize("subgraphs", [False, True])
@pytest.mark.parametrize("how", ["invoke", "config", "stream", "stream config", "lambda", "thread"])
def test_models_in_called_graphs(other: Engine, how: str, subgraphs: bool) -> None:
    """A node calls a graph itself, with its config or without, and may read that graph's tokens."""

    def build(e: Engine) -> Any:
        def usage(_: Any) -> Any:
            return {"log": [str(parrot.invoke("usage").usage_metadata)]}

        child = chain(e, one_call, two_models, usage)

        def node(_: Any, config: RunnableConfig) -> Any:
            parrot.invoke("before")
            given: Any = config if "config" in how else None
            if how == "thread":
                given = {"configurable": {"thread_id": "of its own"}}
            if how.startswith("stream"):
                found = [chunk.content for chunk, _ in child.stream(EMPTY, given, stream_mode="messages")]
            elif how == "lambda":
                found = RunnableLambda(lambda _: child.invoke(EMPTY)["log"]).invoke({})
            else:
                found = child.invoke(EMPTY, given)["log"]
            parrot.invoke("after")
            return {"log": found}

        return chain(e, node)

    stream = same(build, other, EMPTY, MODES, subgraphs=subgraphs)
    assert stream.error is None
    same(build, other, EMPTY, ["messages", "values"], exact=True, subgraphs=subgraphs)


# -- shapes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("modes", ["messages", ["messages"], ["messages", "values"]])
def test_shapes(other: Engine, modes: Any, version: str) -> None:
    def run(e: Engine) -> list[Any]:
        items, error = raw(chain(e, two_models), EMPTY, stream_mode=modes, version=version)
        assert error is None
        return [_shape(item) for item in items]

    from .engines import LANGGRAPH

    assert run(other) == run(LANGGRAPH)


def _shape(item: Any) -> Any:
    if isinstance(item, dict):
        return {key: _shape(value) for key, value in item.items() if not key.startswith(("langgraph", "checkpoint"))}
    if isinstance(item, tuple):
        return tuple(_shape(part) for part in item)
    return getattr(item, "content", item)


def test_one_item_does_not_change_the_next(other: Engine) -> None:
    """Metadata travels once for a call; each item has a dict of its own."""
    if other.root == "langgraph":
        pytest.skip("LangGraph's items share one dict")
    items = []
    for chunk, metadata in chain(other, one_call).stream(EMPTY, stream_mode="messages"):
        items.append((chunk.content, metadata.pop("langgraph_node")))
    assert items[:2] == [("on", "n1"), (" cats", "n1")] and len(items) > 2


# -- callbacks of the user -----------------------------------------------------------------------


@pytest.mark.parametrize("form", ["list", "manager"])
@pytest.mark.parametrize("modes", ["values", "messages"])
def test_callbacks_of_the_user_keep_working(other: Engine, form: str, modes: str) -> None:
    """They hear the models of nodes and of subgraphs, with and without a config handed on."""
    from langchain_core.callbacks import BaseCallbackHandler, CallbackManager

    class Ear(BaseCallbackHandler):
        def __init__(self) -> None:
            self.heard: list[str] = []

        def on_chat_model_start(self, serialized: Any, messages: Any, **_: Any) -> None:
            del serialized
            self.heard.append(messages[0][-1].content)

    def run(e: Engine) -> list[str]:
        ear = Ear()
        manager = CallbackManager([], [])
        manager.add_handler(ear, inherit=True)
        graph = chain(e, one_call, with_config, chain(e, sequence))
        items, error = raw(graph, EMPTY, stream_mode=modes, config={"callbacks": [ear] if form == "list" else manager})
        assert error is None and items
        return ear.heard

    assert run(other) == ["cats", "cats", "about cats"]


class Handles(Parrot):
    """A model that says things which no codec takes."""

    def _chunks(self, messages: Any) -> Any:
        for index, chunk in enumerate(super()._chunks(messages)):
            if index == 0:
                chunk.message.response_metadata["raw"] = object()
            yield chunk


def test_what_cannot_cross_does_not_fail_the_call_of_the_model(other: Engine) -> None:
    """A free-form field, which no reader may look at: on a wire the name of its class stands for the object."""
    graph = other.runnable(chain(other, lambda _: says(Handles().invoke("cats"))))
    items, error = raw(graph, EMPTY, stream_mode="messages")
    assert error is None and "".join(chunk.content for chunk, _ in items) == "on cats"
    told = items[0][0].response_metadata["raw"]
    assert told == "<object>" if other.strict else type(told) is object
    assert raw(graph, EMPTY, stream_mode="values")[1] is None


def test_replaced_metadata_still_streams(other: Engine) -> None:
    """A config of the node's own making names no task. LangGraph loses the tokens (it logs a KeyError)."""
    if other.root == "langgraph":
        pytest.skip("LangGraph loses them")

    def node(_: Any) -> Any:
        return says(parrot.invoke("cats", {"metadata": {"mine": 1}}))

    items = list(chain(other, node).stream(EMPTY, stream_mode="messages"))
    assert [chunk.content for chunk, _ in items if chunk.content] == ["on", " cats"]
    assert {metadata["mine"] for _, metadata in items} == {1}
    assert {metadata["langgraph_node"] for _, metadata in items} == {"n1"}


def test_fan_out_of_one_model(other: Engine) -> None:
    def build(e: Engine) -> Any:
        return fan(e, a=one_call, b=one_call, c=streamed)

    same(build, other, EMPTY, MODES)
