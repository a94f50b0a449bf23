"""The page of a real gateway in a real browser: it asks, follows the round, and checks the receipt itself."""

import re
import tomllib
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from consensus.verify import verify_receipt
from tests.browser.gateway_page import QUESTION, Watched, watch
from tests.gateway.kit import Up
from tests.gateway.processes import serve as serve_process

GREEN = ["ok", "skipped", "ok", "ok", "ok", "ok", "ok", "skipped"]


def test_it_asks_follows_the_round_and_checks_the_receipt(page: Watched, up: Up) -> None:
    page.page.evaluate(
        """() => {
            globalThis.seen = [];
            new MutationObserver(() => {
                const states = [...document.querySelectorAll(".doing")].map((item) => item.textContent);
                globalThis.seen.push([document.querySelector("#banner").innerText, ...states]);
            }).observe(document.querySelector("#round"), { childList: true, subtree: true });
        }"""
    )
    page.ask()
    seen = page.page.evaluate("globalThis.seen.map((one) => one.join(' | '))")
    assert any("Peers are answering." in one for one in seen)
    assert any("sealed" in one or "judging" in one for one in seen)
    expect(page.page.locator(".banner")).to_contain_text("Full. All 5 seats took part")
    expect(page.page.locator("#asked")).to_have_text(QUESTION)
    assert page.get_checks() == GREEN
    assert page.page.locator(".seat").count() == 5
    assert page.page.locator(".matrix button").count() >= 2
    assert page.page.locator(".ranking li").count() >= 2
    expect(page.page.locator("#receipt-pane")).to_contain_text("not that the answer is true")

    round_id = page.page.url.partition("#round=")[2]
    receipt = up.open_http().get(f"/v1/rounds/{round_id}/receipt").content
    verified = verify_receipt(receipt).round
    assert verified is not None
    best = verified.closed[-1].outcome.scores
    assert best is not None
    answer = verified.texts[best.order[0]].decode().replace("**", "")
    expect(page.page.locator("#answer .prose")).to_have_text(answer)


def test_a_byte_changed_fails_a_check_that_is_named(page: Watched) -> None:
    page.ask()
    page.page.click("text=Change one byte")
    states = page.get_checks()
    assert states.count("failed") == 1
    failed = page.page.locator(".check.is-failed")
    expect(failed.locator(".detail")).not_to_be_empty()
    number = states.index("failed") + 1
    expect(page.page.locator(".verdict")).to_have_text(f"Not consistent: check {number} failed.")
    page.page.click("text=Change it back")
    assert page.get_checks() == GREEN


def test_a_round_is_saved_as_a_page_that_checks_itself(
    page: Watched, chromium: Browser, tmp_path: Path
) -> None:
    page.ask("Is this page kept?")
    with page.page.expect_download() as saved:
        page.page.click("text=Save as a page")
    assert re.fullmatch(r"[0-9a-f]{16}\.html", saved.value.suggested_filename)
    file = tmp_path / saved.value.suggested_filename
    saved.value.save_as(file)
    with watch(chromium, file.as_uri()) as alone:
        alone.page.wait_for_selector(".checks")
        assert alone.get_checks() == GREEN
        expect(alone.page.locator("#asked")).to_have_text("Is this page kept?")
        assert alone.page.inner_text("#answer .prose") == page.page.inner_text("#answer .prose")


@pytest.mark.slow
def test_the_address_that_serve_prints_opens_the_page(chromium: Browser, tmp_path: Path) -> None:
    with (
        serve_process(tmp_path, "--local", "4", "--model", "scripted") as served,
        watch(chromium, served.page) as watched,
    ):
        watched.page.wait_for_selector("#ask:not([hidden])")
        watched.ask()
        assert watched.get_checks() == GREEN


def test_a_code_lets_one_browser_in_and_no_second_one(chromium: Browser, up: Up) -> None:
    url = up.serving.make_page_url()
    with watch(chromium, url) as first:
        first.page.wait_for_selector("#ask:not([hidden])")
        assert "code" not in first.page.url
        first.page.reload()
        first.page.wait_for_selector("#ask:not([hidden])")
        cookies = first.page.context.cookies()
        assert [(one["httpOnly"], one["sameSite"]) for one in cookies] == [(True, "Strict")]
        assert first.page.evaluate("document.cookie") == ""
        first.page.click("#sign-out")
        first.page.wait_for_selector("#sign-in:not([hidden])")
        first.page.reload()
        first.page.wait_for_selector("#sign-in:not([hidden])")
        first.complaints.clear()  # the browser notes every 401
    with watch(chromium, url) as second:
        second.page.wait_for_selector("#sign-in:not([hidden])")
        expect(second.page.locator("#notice")).to_contain_text("used before")
        second.page.fill("#key", up.serving.api_key)
        second.page.press("#key", "Enter")
        second.page.wait_for_selector("#ask:not([hidden])")
        second.complaints.clear()


def test_all_files_are_packed() -> None:
    root = Path(__file__).parents[2]
    patterns = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    folder = root / "swarm" / "gateway"
    packed = {path for pattern in patterns["swarm.gateway"] for path in folder.glob(pattern)}
    assert {path for path in folder.glob("page/**/*") if path.is_file()} <= packed
