"""The gateway's page in the browser: opened as a user opens it, and watched for whatever it must not do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, Page, Request

QUESTION = "What is 7 times 12?"


@dataclass
class Watched:
    """A page, and what it has said, broken or asked for so far."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)

    def ask(self, question: str = QUESTION) -> None:
        """Ask with the keyboard, and wait for the end of the round."""
        self.page.evaluate("document.querySelector('#round').removeAttribute('aria-busy')")
        self.page.fill("#question", question)
        self.page.press("#question", "Control+Enter")
        self.page.wait_for_selector("#round[aria-busy=false]", state="attached")

    def get_checks(self) -> list[str]:
        """Return how each check of the receipt ended, in order."""
        names = self.page.eval_on_selector_all(".check", "items => items.map(item => item.className)")
        return [name.removeprefix("check is-") for name in names]


@contextmanager
def watch(browser: Browser, url: str, *, width: int = 1_200, height: int = 900) -> Iterator[Watched]:
    """Open an address in a profile of its own until the block is left; complaints of the browser's fail then.

    A page of a server may ask that server alone, and a page from disk nobody.
    """
    context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
    watched = Watched(context.new_page())

    def note(request: Request) -> None:
        if not request.url.startswith(("data:", "blob:")):
            watched.requested.append(request.url)

    watched.page.on("console", lambda message: watched.complaints.append(message.text))
    watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    watched.page.on("request", note)
    try:
        watched.page.goto(url)
        yield watched
    finally:
        context.close()
    assert watched.complaints == []
    home = url.partition("#")[0]
    strangers = [one for one in watched.requested if not one.startswith(home)]
    assert strangers == []
