"""The page in a headless Chromium: a run is started, watched, answered. Skipped, and said so, where there is none."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from tests.gateway.page.app import HOSTILE, hostile, report
from tests.gateway.stand import serving

from drumline.testing import local_cluster
from drumline_gateway.app import asgi, build
from drumline_gateway.auth import Guard
from drumline_gateway.embedded_service import EmbeddedService

CHROMIUM = os.environ.get("DRUMLINE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")

if CHROMIUM is None:
    pytest.skip("CHROMIUM IS NOT ON THIS MACHINE: the page is not tested in a browser", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="PLAYWRIGHT IS NOT INSTALLED: the page is not tested")

LIMIT_MS = 30_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page on which nothing goes wrong, and that asks nobody but where it came from."""
    context = browser.new_context()
    context.set_default_timeout(LIMIT_MS)
    page = context.new_page()
    wrong: list[str] = []
    hosts: set[str] = set()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda told: wrong.append(told.text) if "Content Security Policy" in told.text else None)
    page.on("request", lambda request: hosts.add(request.url.split("/")[2].split(":")[0]))
    yield page
    context.close()
    assert wrong == []
    assert hosts <= {"127.0.0.1"}


@pytest.fixture(params=["cluster", "embedded"])
def served(request: pytest.FixtureRequest) -> Iterator[tuple[str, threading.Event]]:
    """A gateway, and what its graph `report` waits for."""
    gate = threading.Event()
    graphs = {"report": report(gate), "hostile": hostile()}
    try:
        if request.param == "cluster":
            with local_cluster(graphs) as cluster, serving(asgi(cluster, graphs=cluster.graphs)) as url:
                yield url, gate
        else:
            with serving(build(EmbeddedService({name: graph.program for name, graph in graphs.items()}))) as url:
                yield url, gate
    finally:
        gate.set()


def start(page: Any, url: str, graph: str, topic: str) -> None:
    page.goto(url)
    page.get_by_label("Graph").select_option(graph)
    page.get_by_label("Topic").fill(topic)
    page.get_by_role("button", name="Start").click()
    page.get_by_role("heading", name=f"Run of {graph}").wait_for()


def test_a_person_starts_a_run_sees_it_and_answers(page: Any, served: tuple[str, threading.Event]) -> None:
    url, gate = served
    start(page, url, "report", "drums")
    expect = playwright.expect
    # tokens while they come, in the column of their node
    said = page.get_by_role("log", name="What write says")
    expect(said).to_contain_text("A report on drums, ")
    assert "written to its end" not in said.inner_text()
    expect(page.get_by_role("region", name="write", exact=True)).to_contain_text("typing…")
    # what is at work is lit, with its worker; progress is a bar
    expect(page.locator(".graph g.active")).to_have_count(2)
    expect(page.get_by_role("list", name="At work now")).to_contain_text("write")
    assert page.get_by_role("progressbar", name="count: pages").evaluate("bar => bar.value") == 0.25
    expect(page.get_by_role("list", name="Custom events")).to_contain_text("a page")
    gate.set()
    expect(said).to_contain_text("A report on drums, written to its end.")
    # the question, with a form from its schema
    question = page.get_by_role("region", name="Question of review")
    expect(question).to_contain_text("Shall it be published?")
    expect(page.locator(".graph g.asked")).to_have_count(1)
    expect(page.locator(".tree")).to_contain_text("counted")
    expect(page.locator(".gantt g[role=listitem]")).to_have_count(3)
    question.get_by_label("Verdict").select_option("reject")
    question.get_by_role("button", name="Answer").click()
    expect(page.locator(".top .badge.done")).to_have_text("done")
    expect(page.locator(".tree")).to_contain_text("verdict: reject")
    expect(page.locator(".tree .is-new").first).to_contain_text("new")
    # back in the run: before the last superstep the verdict was not there
    slider = page.get_by_role("slider")
    slider.focus()
    slider.press("Home")
    expect(page.locator(".tree")).not_to_contain_text("verdict")
    page.get_by_role("button", name="To now").click()
    expect(page.locator(".tree")).to_contain_text("verdict: reject")


def test_a_run_that_is_over_is_shown_from_its_log_and_its_thread_can_be_forked(
    page: Any, served: tuple[str, threading.Event]
) -> None:
    url, gate = served
    gate.set()
    expect = playwright.expect
    start(page, url, "report", "drums")
    page.get_by_role("region", name="Question of review").wait_for()
    page.reload()
    expect(page.get_by_role("log", name="What write says")).to_contain_text("A report on drums, written to its end.")
    expect(page.get_by_role("progressbar")).to_have_count(1)
    page.get_by_role("link", name="History of the thread").click()
    rows = page.get_by_role("table", name="Checkpoints, the newest first").get_by_role("row")
    expect(rows).to_have_count(4)
    # an edit adds a checkpoint, and a fork goes on from one
    page.get_by_role("button", name="Edit: checkpoint of step 0").click()
    page.get_by_label("What is written").fill('{"topic": "horns"}')
    page.get_by_role("button", name="Write").click()
    expect(rows).to_have_count(5)
    page.get_by_role("button", name="Run from here").first.click()
    expect(page.get_by_role("log", name="What write says")).to_contain_text("A report on horns, written to its end.")


def test_markup_in_data_is_text(page: Any, served: tuple[str, threading.Event]) -> None:
    url, _gate = served
    expect = playwright.expect
    start(page, url, "hostile", HOSTILE)
    page.locator(".question").wait_for()
    for place in (".said", ".tree", ".events", ".bars", ".question", ".graph"):
        expect(page.locator(place).first).to_contain_text("<img src=x")
    page.locator(".question textarea").fill(HOSTILE)
    page.locator(".question button").first.click()
    expect(page.locator(".problem").filter(has_text="ValueError")).to_contain_text(HOSTILE)
    page.get_by_role("link", name="Cluster").click()
    expect(page.get_by_role("table", name="Failures")).to_contain_text("<img src=x")
    assert page.evaluate("window.hurt") is None and page.evaluate("({}).hurt") is None
    assert page.locator("main img, main script").count() == 0


def told_wrong(page: Any, url: str, thread: str, problem: str) -> None:
    """A thread of this id cannot be shown, nor run on, and the page says why. Nothing else is asked in its place."""
    expect = playwright.expect
    page.goto("about:blank")
    asked: list[str] = []
    note = lambda request: asked.append(f"{request.method} {request.url.removeprefix(url)}")  # noqa: E731
    page.on("request", note)
    try:
        page.goto(f"{url}/#/thread/{quote(thread, safe='')}")
        expect(page.locator("main > .problem")).to_contain_text(problem)
        expect(page.locator(".top .mono")).to_have_text(thread)
        page.get_by_role("link", name="Start a run on it").click()
        expect(page.locator("#thread")).to_have_value(thread)
        page.get_by_label("Topic").fill("drums")
        page.get_by_role("button", name="Start").click()
        expect(page.locator("form .problem")).to_contain_text(problem)
    finally:
        page.remove_listener("request", note)
    assert not [each for each in asked if each.startswith("POST") and each.endswith(("/runs", "/state"))]


@pytest.mark.parametrize("thread", ["..", ".", "a/../b", "/runs"])
def test_an_id_that_no_address_can_name_leads_nowhere_else(page: Any, thread: str) -> None:
    with serving(build(EmbeddedService({"report": report(threading.Event()).program}))) as url:
        told_wrong(page, url, thread, "No address can name")
        page.goto("about:blank")


def test_an_id_may_be_markup_and_a_long_one_breaks_no_layout(page: Any, served: tuple[str, threading.Event]) -> None:
    url, gate = served
    gate.set()
    expect = playwright.expect
    for thread in ("<img src=x onerror=window.hurt=1>", "x" * 200, "..\\..", "%2e%2e", "ä?#&=😀"):
        page.goto(f"{url}/#/start/{quote(thread, safe='')}")
        page.get_by_label("Graph").select_option("report")
        page.get_by_label("Topic").fill("drums")
        page.get_by_role("button", name="Start").click()
        page.get_by_role("region", name="Question of review").wait_for()
        page.get_by_role("link", name="History of the thread").click()
        expect(page.locator(".top .mono")).to_have_text(thread)
        expect(page.get_by_role("table", name="Checkpoints, the newest first").get_by_role("row")).to_have_count(4)
        expect(page.locator("#threads a[aria-current=page]")).to_have_attribute("title", thread)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.reload()
        expect(page.locator(".top .mono")).to_have_text(thread)
        page.goto("about:blank")
    assert page.evaluate("window.hurt") is None


def test_an_id_that_is_too_long_is_refused_and_told(page: Any) -> None:
    with serving(build(EmbeddedService({"report": report(threading.Event()).program}))) as url:
        page.goto(f"{url}/#/thread/{'x' * 3000}")
        playwright.expect(page.locator("main > .problem")).to_contain_text("1 to 200 printable characters")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.goto("about:blank")


def test_all_is_reached_by_keys_and_has_a_name(page: Any, served: tuple[str, threading.Event]) -> None:
    url, gate = served
    gate.set()
    start(page, url, "report", "drums")
    page.get_by_role("region", name="Question of review").wait_for()
    page.locator("body").press("Tab")
    reached = set()
    where = "document.activeElement.closest('section')?.getAttribute('aria-label') ?? document.activeElement.tagName"
    for _ in range(60):
        reached.add(page.evaluate(where))
        page.keyboard.press("Tab")
    assert {"Question of review", "A", "INPUT"} <= reached
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, textarea, a, svg, [role]')]
        .filter(each => each.checkVisibility() && !each.closest('[aria-hidden]'))
        .filter(each => !(each.getAttribute('aria-label') || each.labels?.length || each.textContent.trim()))
        .map(each => each.outerHTML.slice(0, 120))"""
    )
    assert [found for found in unnamed if 'role="status"' not in found and 'role="alert"' not in found] == []


def test_a_gateway_with_keys_asks_for_one(page: Any) -> None:
    guard = Guard({"the-key": "ann"})
    programs = {"hostile": hostile().program}
    with serving(build(EmbeddedService(programs), guard=guard)) as url:
        page.goto(url)
        page.get_by_label("API key").fill("the-key")
        page.get_by_role("button", name="Go on").click()
        playwright.expect(page.get_by_label("Graph")).to_have_value("hostile")
        page.goto("about:blank")
