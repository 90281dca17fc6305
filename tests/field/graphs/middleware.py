"""langchain's middleware around `create_agent`: todos, limits, retries, masks, summaries, selection, human review."""

from collections.abc import Callable
from typing import Annotated, Any

from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    AgentState,
    HumanInTheLoopMiddleware,
    LLMToolSelectorMiddleware,
    ModelCallLimitMiddleware,
    ModelFallbackMiddleware,
    PIIMiddleware,
    SummarizationMiddleware,
    TodoListMiddleware,
    ToolCallLimitMiddleware,
    ToolRetryMiddleware,
    dynamic_prompt,
    hook_config,
)
from langchain.tools import ToolRuntime
from langchain_core.messages import ToolMessage
from langchain_openai import ChatOpenAI
from langgraph.config import get_stream_writer
from langgraph.types import Command
from tests.field.script import call, say, say_json


def weather(city: str) -> str:
    """Tell the weather."""
    get_stream_writer()({"lane": "tools", "looks at": city})
    return f"rain in {city}"


def send_mail(to: str) -> str:
    """Send a mail."""
    return f"sent to {to}"


def middleware_todos(_: Any) -> Any:
    """A list of todos in the state, limits of calls, addresses that are masked, a prompt made anew for each call."""

    @dynamic_prompt
    def prompt(request: Any) -> str:
        return f"You have been asked {len(request.messages)} messages."

    return create_agent(
        ChatOpenAI(model="planning"),
        [weather],
        middleware=[
            TodoListMiddleware(),  # type: ignore[list-item]
            PIIMiddleware("email", strategy="mask"),
            ModelCallLimitMiddleware(run_limit=3),  # type: ignore[list-item]
            ToolCallLimitMiddleware(tool_name="weather", run_limit=1),  # type: ignore[list-item]
            prompt,
        ],
        name="planning",
    )


def middleware_selection(_: Any) -> Any:
    """A model that chooses the tools for the model, a model that answers for one that fails, a tool that is retried."""
    failures: dict[str, int] = {}

    def stumbling(city: str) -> str:
        """Tell the weather, the second time."""
        failures[city] = failures.get(city, 0) + 1
        if failures[city] % 2:
            raise ConnectionError("no answer")
        return f"sun in {city}"

    return create_agent(
        ChatOpenAI(model="absent", max_retries=0),
        [stumbling, send_mail],
        middleware=[
            LLMToolSelectorMiddleware(model=ChatOpenAI(model="selector"), max_tools=1),
            ModelFallbackMiddleware(ChatOpenAI(model="fallback")),
            ToolRetryMiddleware(max_retries=1, initial_delay=0.0, jitter=False),
        ],
        name="selecting",
    )


def middleware_summary(_: Any) -> Any:
    """Old messages are removed, and a summary stands in their place."""
    summary = SummarizationMiddleware(
        ChatOpenAI(model="summary"),
        trigger=("messages", 4),
        keep=("messages", 2),
        token_counter=len,  # type: ignore[arg-type]
    )
    return create_agent(ChatOpenAI(model="short"), [weather], middleware=[summary], name="summary")


def middleware_review(_: Any) -> Any:
    """A call that a person has to allow: the run ends with the question."""
    review = HumanInTheLoopMiddleware(interrupt_on={"send_mail": True, "weather": False})
    return create_agent(ChatOpenAI(model="mailing"), [weather, send_mail], middleware=[review], name="review")


class Tally(AgentState[Any]):
    turns: Annotated[int, lambda old, new: (old or 0) + new]
    seen: dict[str, Any]


class Tallying(AgentMiddleware[Any, Any, Any]):
    """Counts turns in the state, jumps to the end at the third, and says what it does."""

    state_schema = Tally

    def before_agent(self, state: Any, runtime: Any) -> dict[str, Any]:  # noqa: ARG002  the names are LangChain's
        return {"turns": 0, "seen": {"context": dict(runtime.context)}}

    @hook_config(can_jump_to=["end"])
    def before_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        runtime.stream_writer({"lane": "Tallying.before_model", "turns": state["turns"]})
        return {"jump_to": "end"} if state["turns"] == 2 else None

    def after_model(self, state: Any, runtime: Any) -> dict[str, Any]:  # noqa: ARG002
        return {"turns": 1}

    def wrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        answered = handler(request)
        return (
            answered.model_copy(update={"content": f"{answered.content}!"})
            if hasattr(answered, "content")
            else answered
        )

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        answered = await handler(request)
        return (
            answered.model_copy(update={"content": f"{answered.content}!"})
            if hasattr(answered, "content")
            else answered
        )


def note(text: str, runtime: ToolRuntime[Any, Any]) -> Command[Any]:
    """Keep a note in the state."""
    told = ToolMessage(f"noted {text}", tool_call_id=runtime.tool_call_id)
    return Command(update={"seen": {**runtime.state["seen"], "note": text}, "messages": [told]})


def middleware_own(_: Any) -> Any:
    """A middleware of one's own, with state, context, jumps, and a tool that writes to the state."""
    return create_agent(
        ChatOpenAI(model="tallied"), [weather, note], middleware=[Tallying()], context_schema=dict, name="tallied"
    )


_WEATHER = {"messages": [{"role": "user", "content": "weather in Oslo? mail me at ada@example.com"}]}
GIVEN = {
    "middleware_todos": _WEATHER,
    "middleware_selection": _WEATHER,
    "middleware_summary": {
        "messages": [
            {"role": role, "content": f"{role} says {number}", "id": f"m{number}"}
            for number, role in enumerate(["user", "assistant", "user", "assistant", "user"])
        ]
    },
    "middleware_review": _WEATHER,
    "middleware_own": _WEATHER,
}
CONTEXTS = {"middleware_own": {"user": "ada"}}
_TODOS = [{"content": "look", "status": "in_progress"}, {"content": "tell", "status": "pending"}]
SCRIPTS = {
    "planning": [
        (r"rain in Oslo", call(("weather", {"city": "Bergen"}), text="And Bergen?")),
        (r"-> write_todos", call(("weather", {"city": "Oslo"}))),
        (r"Oslo", call(("write_todos", {"todos": _TODOS}))),
    ],
    "absent": [],
    "selector": [(r"Oslo", say_json(tools=["stumbling"]))],
    "fallback": [(r"sun in Oslo", say("There is sun.")), (r"Oslo", call(("stumbling", {"city": "Oslo"})))],
    "summary": [(r".", say("They spoke."))],
    "short": [(r".", say("And that was it."))],
    "mailing": [(r"Oslo", call(("weather", {"city": "Oslo"}), ("send_mail", {"to": "ada"})))],
    "tallied": [
        (r"-> note", call(("weather", {"city": "Bergen"}))),
        (r"Oslo", call(("note", {"text": "Oslo"}), ("weather", {"city": "Oslo"}))),
    ],
}
