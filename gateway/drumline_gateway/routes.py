"""The table of the routes: from it come the app, `openapi.json` and the table of docs/http.md."""

from __future__ import annotations

from drumline_gateway import (
    of_assistants,
    of_page,
    of_runs,
    of_server,
    of_states,
    of_store,
    of_thread_commands,
    of_thread_events,
    of_thread_stream,
    of_threads,
)
from drumline_gateway.route import FULL, NO, PARTIAL
from drumline_gateway.route import Row as Row

_T, _R = "/threads/{thread_id}", "/threads/{thread_id}/runs/{run_id}"
_A = "/assistants/{assistant_id}"
_CRONS = ("/runs/crons", "/runs/crons/search", "/runs/crons/count")
_RUN_NOTE = (
    "without effect, and told so in `Drumline-Ignored`: webhook, on_completion, feedback_keys, langsmith_tracer, "
    "strict_resume"
)
_ALONE_NOTE = _RUN_NOTE + "; on no thread also what is said of one"

ROUTES: tuple[Row, ...] = (
    Row("GET", "/ok", of_server.ok, "P", is_open=True),
    Row("GET", "/info", of_server.info, "A", is_open=True),
    Row("GET", "/live", of_server.live, is_open=True),
    Row("GET", "/ready", of_server.ready, is_open=True),
    Row("GET", "/openapi.json", of_server.openapi, is_open=True),
    Row("GET", "/metrics", of_server.metrics),
    # assistants
    Row("POST", "/assistants/search", of_assistants.search, "DCP"),
    Row("POST", "/assistants/count", of_assistants.count, "P"),
    Row("GET", _A, of_assistants.get, "DCP"),
    Row("GET", _A + "/graph", of_assistants.graph, "CRP"),
    Row("GET", _A + "/schemas", of_assistants.schemas, "CP"),
    Row("GET", _A + "/subgraphs", of_assistants.subgraphs, "P"),
    Row("GET", _A + "/subgraphs/{namespace}", of_assistants.subgraphs, "P"),
    Row("POST", _A + "/versions", of_assistants.versions, "P"),
    Row("POST", _A + "/latest", of_assistants.set_latest, "P"),
    Row("POST", "/assistants", of_assistants.create, "P"),
    Row("PATCH", _A, of_assistants.patch, "P", FULL, "not of a graph's own"),
    Row("DELETE", _A, of_assistants.delete, "P", FULL, "not of a graph's own"),
    # threads
    Row("POST", "/threads", of_threads.create, "JADUCP"),
    Row("POST", "/threads/search", of_threads.search, "ADP"),
    Row("POST", "/threads/count", of_threads.count, "P"),
    Row("POST", "/threads/prune", of_threads.prune, "P"),
    Row("GET", _T, of_threads.get, "CP"),
    Row("PATCH", _T, of_threads.patch, "CP"),
    Row("DELETE", _T, of_threads.delete, "P"),
    Row("POST", _T + "/copy", of_threads.copy, "P"),
    Row("GET", _T + "/state", of_states.get, "JUCRP"),
    Row("POST", _T + "/state", of_states.post, "DCRP"),
    Row("POST", _T + "/state/checkpoint", of_states.get_by_body, "RP"),
    Row("GET", _T + "/state/{checkpoint_id}", of_states.get_at, "P"),
    Row("GET", _T + "/history", of_states.history),
    Row("POST", _T + "/history", of_states.history, "AJCRP"),
    # a thread as a whole
    Row("POST", _T + "/commands", of_thread_commands.post, "PJ", PARTIAL, "input.inject answers not_supported"),
    Row("GET", _T + "/stream", of_thread_stream.join, "P"),
    Row("POST", _T + "/stream/events", of_thread_events.stream, "PJ"),
    # runs on a thread
    Row("POST", _T + "/runs", of_runs.create, "PJ", PARTIAL, _RUN_NOTE),
    Row("POST", _T + "/runs/stream", of_runs.stream, "PJADUCR", PARTIAL, _RUN_NOTE),
    Row("POST", _T + "/runs/wait", of_runs.wait, "PJ", PARTIAL, _RUN_NOTE),
    Row("GET", _T + "/runs", of_runs.listed, "PJ"),
    Row("GET", _R, of_runs.get, "PJ"),
    Row("DELETE", _R, of_runs.delete, "P"),
    Row("GET", _R + "/join", of_runs.join, "PJ"),
    Row("GET", _R + "/stream", of_runs.join_stream, "PJ"),
    Row("POST", _R + "/cancel", of_runs.cancel, "JADCP"),
    # runs on no thread
    Row("POST", "/runs", of_runs.create, "PJ", PARTIAL, _ALONE_NOTE),
    Row("POST", "/runs/stream", of_runs.stream, "PJR", PARTIAL, _ALONE_NOTE),
    Row("POST", "/runs/wait", of_runs.wait, "PJ", PARTIAL, _ALONE_NOTE),
    Row("POST", "/runs/batch", of_runs.batch, "P", PARTIAL, _ALONE_NOTE),
    Row("POST", "/runs/cancel", of_runs.cancel_many, "P", PARTIAL, "of one thread"),
    Row("GET", "/runs/{run_id}", of_runs.get),
    Row("DELETE", "/runs/{run_id}", of_runs.delete),
    Row("GET", "/runs/{run_id}/join", of_runs.join),
    Row("GET", "/runs/{run_id}/stream", of_runs.join_stream),
    Row("POST", "/runs/{run_id}/cancel", of_runs.cancel),
    # by the clock
    *(Row("POST", path, of_server.crons, "P", NO) for path in (_T + "/runs/crons", *_CRONS)),
    Row("PATCH", "/runs/crons/{cron_id}", of_server.crons, "P", NO),
    Row("DELETE", "/runs/crons/{cron_id}", of_server.crons, "P", NO),
    # the store
    Row("PUT", "/store/items", of_store.put, "P"),
    Row("GET", "/store/items", of_store.get, "P"),
    Row("DELETE", "/store/items", of_store.delete, "P"),
    Row("POST", "/store/items/search", of_store.search, "P"),
    Row("POST", "/store/namespaces", of_store.namespaces, "P"),
    # the page
    Row("GET", "/", of_page.index, is_open=True),
    Row("GET", "/page/{name}", of_page.asset, is_open=True),
    Row("GET", "/drumline/overview", of_page.overview),
    Row("GET", "/drumline/runs/{run_id}/facts", of_page.facts),
    Row("GET", "/drumline/threads/{thread_id}/runs/{run_id}/facts", of_page.facts),
)

#: paths that may be asked for as a WebSocket too: which speaks the protocol of threads, and which tells one run
SOCKETS = (_T + "/stream/events",)
RUN_SOCKETS = (_R + "/stream", "/runs/{run_id}/stream")
