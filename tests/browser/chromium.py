"""Where the browser is, and what happens where it is not."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
REQUIRED_BY = ("CI", "PEERAGE_REQUIRE_BROWSER")
MISSING = "not installed; install it with: make test-deps"


def check_installed(path: Path, environment: Mapping[str, str]) -> None:
    """Skip the test that asks where there is no browser; fail it where a browser is demanded."""
    if path.exists():
        return
    if any(environment.get(name) for name in REQUIRED_BY):
        pytest.fail(f"{path}: {MISSING}")
    pytest.skip(f"{path}: {MISSING}")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start the browser without a window; an asyncio loop runs in this thread until it is closed."""
    # Chromium's sandbox does not work for root, who runs tests in containers only.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with ExitStack() as stack:
        # Once trio-asyncio is imported, new loops outside Trio are its own, which Playwright cannot drive.
        with patch.object(asyncio, "new_event_loop", asyncio.SelectorEventLoop):
            playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()
