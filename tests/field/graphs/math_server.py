"""An MCP server over stdio: `python math_server.py`."""

from mcp.server.fastmcp import FastMCP
from mcp.types import CallToolResult, TextContent

mcp = FastMCP("Math", log_level="ERROR")


@mcp.tool()
def add(a: int, b: int) -> int:
    """Add two numbers"""
    return a + b


@mcp.tool()
def factors(n: int) -> CallToolResult:
    """Tell the factors of a number, in words and as data."""
    found = [d for d in range(2, n) if n % d == 0]
    return CallToolResult(
        content=[TextContent(type="text", text=f"{n} has {len(found)} factors")], structuredContent={"factors": found}
    )


if __name__ == "__main__":
    mcp.run(transport="stdio")
