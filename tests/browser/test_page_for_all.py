"""The page by keyboard alone, by screen reader, at any width, in light and dark; and rounds from before."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.gateway_page import QUESTION, Watched, watch
from tests.browser.site import VECTORS
from tests.gateway.kit import ENDLESS, open_gateway

AXE = (Path(__file__).with_name("vendor") / "axe-core" / "axe.min.js").read_text("utf-8")
RUN_AXE = """async () => {
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ html }) => html)}`);
}"""
LINES = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


def find_faults(page: Page) -> list[str]:
    """Return what axe-core finds, of any weight."""
    page.evaluate(AXE)
    found: list[str] = page.evaluate(RUN_AXE)
    return found


def press_until(page: Page, key: str, wanted: str, *, most: int = 60) -> None:
    """Press a key until an element has the focus, and see that the focus shows."""
    for _ in range(most):
        page.keyboard.press(key)
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", wanted):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", wanted
            return
    raise AssertionError(f"{wanted} is not reached with {key}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page: Watched, scheme: str) -> None:
    page.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    assert find_faults(page.page) == []
    page.ask()
    page.page.locator(".matrix button").first.click()
    assert find_faults(page.page) == []
    page.page.click("text=Change one byte")
    assert find_faults(page.page) == []
    page.page.click("#open-history")
    page.page.wait_for_selector(".past")
    assert find_faults(page.page) == []
    page.page.keyboard.press("Escape")
    page.page.set_input_files("#files", VECTORS / "honest-partial.receipt")
    page.page.wait_for_selector(".banner.is-partial")
    assert find_faults(page.page) == []


def test_everything_can_be_done_without_a_mouse(page: Watched) -> None:
    """Ask, open a cell's votes, move the slider, change a byte, find the round again: by keyboard."""
    keys, one = page.page.keyboard, page.page
    assert one.evaluate("document.activeElement.id") == "question"
    keys.type(QUESTION)
    press_until(one, "Tab", "#model")
    press_until(one, "Tab", "#send")
    keys.press("Enter")
    expect(one.locator(".banner.is-full")).to_be_visible()
    press_until(one, "Tab", "#moment")
    keys.press("Home")
    expect(one.locator(".banner")).to_contain_text("Peers are answering")
    keys.press("End")
    expect(one.locator(".banner")).to_contain_text("Full.")
    press_until(one, "Tab", ".matrix button")
    keys.press("Space")
    expect(one.locator(".votes table")).to_be_visible()
    press_until(one, "Tab", "[aria-pressed]")
    keys.press("Enter")
    expect(one.locator(".check.is-failed")).to_be_visible()
    press_until(one, "Shift+Tab", "#open-history")
    keys.press("Enter")
    expect(one.locator("#search")).to_be_focused()
    keys.type("7 times")
    expect(one.locator(".past").first).to_contain_text(QUESTION)
    press_until(one, "Tab", ".past")
    keys.press("Enter")
    expect(one.locator("#asked")).to_be_focused()
    expect(one.locator("#history")).to_be_hidden()


def test_what_happens_is_said_aloud(page: Watched) -> None:
    page.page.evaluate(
        """() => {
            globalThis.said = [];
            const banner = document.querySelector("#banner");
            const note = () => globalThis.said.push(banner.innerText);
            new MutationObserver(note).observe(banner, { childList: true });
        }"""
    )
    assert page.page.get_attribute("#banner", "aria-live") == "polite"
    page.ask()
    said = page.page.evaluate("globalThis.said")
    assert "Full." in said[-1]
    assert len(said) == len(set(said)) < 20  # nothing is said twice


@pytest.mark.parametrize("width", [320, 700, 1_600])
def test_nothing_is_wider_than_the_window(page: Watched, width: int) -> None:
    page.page.set_viewport_size({"width": width, "height": 700})
    assert page.page.evaluate(LINES)
    page.ask()
    assert page.page.evaluate(LINES)
    page.page.set_input_files("#files", VECTORS / "honest-31-seats-all-differ.receipt")
    expect(page.page.locator(".seat")).to_have_count(31)
    assert page.page.evaluate(LINES)
    assert page.page.locator(".matrix tbody tr").count() == 31


def test_rounds_are_found_and_opened_again(page: Watched) -> None:
    wanted = "Which bird sings before dawn?"
    page.ask(wanted)
    url, answer = page.page.url, page.page.inner_text("#answer .prose")
    page.ask("Something else")
    assert page.page.url != url
    page.page.click("#open-history")
    page.page.fill("#search", "BIRD sings")
    expect(page.page.locator("#found")).to_have_text("1 round")
    page.page.click(".past")
    expect(page.page.locator("#asked")).to_have_text(wanted)
    expect(page.page.locator("#answer .prose")).to_have_text(answer)
    assert page.page.url == url
    page.page.go_back()
    expect(page.page.locator("#asked")).to_have_text("Something else")
    page.page.goto(url)
    page.page.reload()
    expect(page.page.locator("#asked")).to_have_text(wanted)
    page.page.click("#open-history")
    page.page.fill("#search", "no such words anywhere")
    expect(page.page.locator("#found")).to_have_text("No round is like that.")


def test_the_slider_goes_over_the_log_of_the_round(page: Watched) -> None:
    page.ask()
    one = page.page
    slider = one.locator("#moment")
    assert int(slider.get_attribute("max") or 0) > 40
    slider.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"^0 ms, [A-E]: round opened\.$"))
    assert one.locator(".seat .prose").count() == 0
    expect(one.locator("#answer")).to_be_empty()
    seen = set()
    for _ in range(60):
        slider.press("ArrowRight")
        seen |= set(one.locator(".doing").all_inner_texts())
        expect(one.locator("#answer")).to_be_empty() if "Full." not in one.inner_text("#banner") else None
    assert {"thinking", "sealed", "revealing", "judging"} <= seen
    slider.press("End")
    expect(one.locator("#answer .prose")).to_be_visible()


def test_one_peer_alone_is_said_to_be_alone(page: Watched) -> None:
    page.page.select_option("#model", "helper")
    page.ask()
    expect(page.page.locator(".banner.is-alone")).to_contain_text("nothing here is certified")
    expect(page.page.locator("#answer .prose")).not_to_be_empty()
    expect(page.page.locator("#panes")).to_be_hidden()


def test_a_question_can_be_taken_back(chromium: Browser, tmp_path: Path) -> None:
    with (
        open_gateway(tmp_path, model=ENDLESS) as up,
        watch(chromium, up.serving.make_page_url()) as watched,
    ):
        one = watched.page
        one.wait_for_selector("#ask:not([hidden])")
        one.fill("#question", QUESTION)
        one.press("#question", "Control+Enter")
        expect(one.locator(".doing.is-busy")).to_have_count(4)
        expect(one.locator(".banner.is-running")).to_contain_text("0 of 4 peers have answered")
        one.click("#stop")
        expect(one.locator(".banner.is-failed")).to_contain_text("Stopped.")
        expect(one.locator("#stop")).to_be_hidden()
        one.click("#open-history")
        expect(one.locator(".past .status")).to_have_text("cancelled")
        one.click(".past")
        expect(one.locator(".banner.is-failed")).to_contain_text("nobody waited")


def test_a_round_that_is_looked_at_is_not_replaced_by_an_answer(chromium: Browser, tmp_path: Path) -> None:
    with (
        open_gateway(tmp_path, model="scripted:latency=0.4,accuracy=0") as up,
        watch(chromium, up.serving.make_page_url()) as watched,
    ):
        one = watched.page
        one.wait_for_selector("#ask:not([hidden])")
        watched.ask("The first question")
        one.fill("#question", "The second question")
        one.press("#question", "Control+Enter")
        expect(one.locator("#asked")).to_have_text("The second question")
        one.click("#open-history")
        one.locator(".past", has_text="The first question").click()
        expect(one.locator("#asked")).to_have_text("The first question")
        expect(one.locator("#notice")).to_contain_text("answered meanwhile")
        expect(one.locator("#asked")).to_have_text("The first question")


def test_a_round_under_way_is_followed_from_its_address(chromium: Browser, tmp_path: Path) -> None:
    with (
        open_gateway(tmp_path, model="scripted:latency=0.3,accuracy=0") as up,
        watch(chromium, up.serving.make_page_url()) as watched,
    ):
        one = watched.page
        one.wait_for_selector("#ask:not([hidden])")
        asking = up.open_raw()
        asking.post(stream=True)
        asking.read_until(b"round.asked")
        [round_] = up.open_http().get("/v1/rounds").json()["data"]
        one.goto(f"{up.serving.url}/#round={round_['id']}")
        one.reload()
        expect(one.locator(".banner.is-running")).to_be_visible()
        expect(one.locator(".banner.is-full")).to_be_visible(timeout=20_000)
        expect(one.locator("#asked")).to_have_text(QUESTION)
        asking.read_until(b"[DONE]")


def test_answers_are_read_as_soon_as_they_are_revealed(chromium: Browser, tmp_path: Path) -> None:
    with (
        open_gateway(tmp_path, model="scripted:latency=1.5,accuracy=0") as up,
        watch(chromium, up.serving.make_page_url()) as watched,
    ):
        one = watched.page
        one.wait_for_selector("#ask:not([hidden])")
        one.fill("#question", QUESTION)
        one.press("#question", "Control+Enter")
        expect(one.locator(".doing", has_text="thinking")).to_have_count(4)
        assert one.locator(".seat .prose").count() == 0
        expect(one.locator("#seats")).to_contain_text("Revealed, not certified yet.", timeout=20_000)
        expect(one.locator(".seat .prose")).to_have_count(4)
        texts = one.locator(".seat .prose").all_inner_texts()
        assert one.locator(".seat .label").count() == 0  # names stay letters
        expect(one.locator(".banner.is-full")).to_be_visible(timeout=20_000)
        expect(one.locator("#seats")).not_to_contain_text("not certified")
        assert one.locator(".seat .prose").all_inner_texts() == texts
        assert one.locator(".seat .label").count() == 4


def test_a_gateway_that_is_gone_is_said_to_be(chromium: Browser, tmp_path: Path) -> None:
    with open_gateway(tmp_path) as up:
        watching = watch(chromium, up.serving.make_page_url())
        watched = watching.__enter__()
        watched.page.wait_for_selector("#ask:not([hidden])")
    watched.page.keyboard.type(QUESTION)
    watched.page.keyboard.press("Control+Enter")
    expect(watched.page.locator(".banner.is-failed")).to_contain_text("the gateway does not answer")
    watched.complaints.clear()  # the browser's own word for it
    watching.__exit__(None, None, None)
