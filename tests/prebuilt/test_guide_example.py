"""The guide's example of custom data from inside a tool: an async tool in an agent, under sync and async streams.

LangGraph itself runs it only with `astream`.
"""

from __future__ import annotations

import asyncio
import contextlib
import io

import pytest
from tests.prebuilt.models import Scripted

EXAMPLE = '''
from langchain_core.tools import tool
from langgraph.config import get_stream_writer
from langgraph.prebuilt import create_react_agent
from langchain_openai import ChatOpenAI

@tool
async def get_items(place: str) -> str:
    """Use this tool to list items one might find in a place."""
    writer = get_stream_writer()
    
    # This could be replaced with actual streaming logic
    items = ["books", "pencils", "pictures"]
    for chunk in items:
        writer({"custom_tool_data": chunk})
        # In a real application, you might add a delay here
    
    return ", ".join(items)

llm = ChatOpenAI(model_name="gpt-4o-mini")
tools = [get_items]
agent = create_react_agent(llm, tools=tools)

# Stream custom data from inside the tool
for chunk in agent.stream(
    {"messages": [{"role": "user", "content": "what items are in the office?"}]},
    stream_mode="custom"
):
    print(chunk)
'''  # noqa: W293  as it stands in the guide

OUTPUT = """
{'custom_tool_data': 'books'}
{'custom_tool_data': 'pencils'}
{'custom_tool_data': 'pictures'}
"""


def run(source: str) -> str:
    """What the example prints, with another import root and model."""
    source = source.replace("from langgraph.", "from drumline.").replace(
        "from langchain_openai import ChatOpenAI\n", ""
    )

    def a_model(model_name: str) -> Scripted:
        assert model_name == "gpt-4o-mini"
        return Scripted(turns=[[("get_items", {"place": "office"})], "books, pencils and pictures"])

    out = io.StringIO()
    names = {"ChatOpenAI": a_model, "__name__": "guide_example"}
    with contextlib.redirect_stdout(out):
        exec(source, names)
        if "main" in names:
            asyncio.run(names["main"]())  # type: ignore[operator]
    return out.getvalue()


@pytest.mark.parametrize("strict", ["0", "1"], ids=["embedded", "strict"])
def test_as_it_stands(monkeypatch: pytest.MonkeyPatch, strict: str) -> None:
    monkeypatch.setenv("DRUMLINE_STRICT_WIRE", strict)
    assert run(EXAMPLE) == OUTPUT.lstrip()


@pytest.mark.parametrize("strict", ["0", "1"], ids=["embedded", "strict"])
def test_with_astream(monkeypatch: pytest.MonkeyPatch, strict: str) -> None:
    monkeypatch.setenv("DRUMLINE_STRICT_WIRE", strict)
    body, loop = EXAMPLE.split("# Stream custom data from inside the tool\n")
    loop = loop.replace("for chunk in agent.stream(", "async for chunk in agent.astream(")
    inner = "\n".join(f"    {line}" for line in loop.splitlines())
    assert run(f"{body}\nasync def main():\n{inner}\n") == OUTPUT.lstrip()
