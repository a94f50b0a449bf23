"""A real browser for tests: Debian's Chromium, driven by Playwright.

Playwright's synchronous API keeps an asyncio loop running in this thread while it is open, which Trio's tests
must not meet: the browser lives for one module, and no module of this folder runs Trio.
"""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import CHROMIUM, MISSING, check_installed, open_browser
from tests.browser.gateway_page import Watched, watch
from tests.browser.site import read_site, serve
from tests.browser.voices import open_voices
from tests.gateway.kit import Up


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser, without a window and without a profile of its user's."""
    check_installed(CHROMIUM, os.environ)
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A gateway whose peers speak with the voices of `tests.browser.voices`."""
    with open_voices(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def page(chromium: Browser, up: Up) -> Iterator[Watched]:
    """Its page, in a browser that was let in by the address of one use."""
    with watch(chromium, up.serving.make_page_url()) as watched:
        watched.page.wait_for_selector("#ask:not([hidden])")
        yield watched


@pytest.fixture(scope="module")
def harness(chromium: Browser) -> Iterator[Page]:
    """A page that has loaded the verifier under a strict policy; what the browser complains of fails."""
    complaints: list[str] = []
    with serve(read_site()) as address:
        page = chromium.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        page.wait_for_function("globalThis.harness !== undefined")
        yield page
        page.close()
    assert complaints == []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly that the browser's tests did not run."""
    skipped = [
        report for report in terminalreporter.stats.get("skipped", []) if MISSING in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.section("browser tests SKIPPED", sep="!", red=True, bold=True)
        terminalreporter.line(f"{len(skipped)} tests need {CHROMIUM}: {MISSING}", red=True)
