"""What is asked of the server itself: whether it lives, what it is, what it offers."""

from __future__ import annotations

from starlette.responses import Response

from drumline import __version__
from drumline.metrics.book import MetricsNotInstalled
from drumline_gateway.ask import Ask
from drumline_gateway.bodies import query_flag
from drumline_gateway.errors import HttpError, unbuilt


async def ok(ask: Ask) -> Response:
    """The process answers; `?check_db=1` asks whether runs would be served too."""
    if query_flag(ask.request.query_params, "check_db"):
        trouble = await ask.service.trouble()
        if trouble:
            raise HttpError(503, trouble)
    return ask.answer({"ok": True})


async def live(ask: Ask) -> Response:
    """The process answers. Asks nobody else: a broker that restarts must not end every gateway."""
    return ask.answer({"ok": True})


async def ready(ask: Ask) -> Response:
    """Whether new requests should come here: not while it drains, nor while runs would not be served."""
    trouble = "the gateway is being stopped" if ask.streams.draining else await ask.service.trouble()
    if trouble:
        raise HttpError(503, trouble)
    return ask.answer({"ok": True})


async def info(ask: Ask) -> Response:
    """What this server is, and what it leaves out."""
    flags = {"assistants": True, "crons": False, "langsmith": False}
    left_out = {"stream_modes": ["events"], "ignored": sorted(ask.service.ignored)}
    return ask.answer({"name": "drumline", "version": __version__, "flags": flags, "without_effect": left_out})


async def metrics(ask: Ask) -> Response:
    """The numbers of this gateway, for Prometheus: of all callers, so who sees only what is its own may not (403)."""
    await ask.allow("threads", "search", {"metadata": {}})
    if ask.filter:
        raise HttpError(403, "Forbidden: these numbers are of all callers; --metrics-port tells them elsewhere")
    if ask.metrics is None:
        raise HttpError(501, str(MetricsNotInstalled()))
    text, kind = ask.metrics.told()
    return Response(text, 200, {"Content-Type": kind})


async def crons(_ask: Ask) -> Response:
    """Runs by the clock."""
    raise unbuilt("Crons", "Start runs from your own scheduler, or with after_seconds.")


async def openapi(ask: Ask) -> Response:
    """The OpenAPI document of these routes."""
    return ask.answer(ask.served.document)
