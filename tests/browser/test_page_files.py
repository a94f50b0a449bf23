"""Rounds from disk: the page opens them with the server gone, and a file of one round checks itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from swarm.gateway.one_file import FOLDER, SLOT, bundle_modules, make_shell, render_round_page
from swarm.gateway.page_files import HEADERS, SHELL, read_page
from tests.browser.gateway_page import Watched, watch
from tests.browser.site import VECTORS, Served, serve
from tests.cli.console import run

HONEST = VECTORS / "honest-seven.receipt"
PARTIAL = VECTORS / "honest-partial.receipt"
GREEN = ["ok", "skipped", "ok", "ok", "ok", "ok", "ok", "skipped"]


@pytest.fixture
def left_alone(chromium: Browser) -> Iterator[Watched]:
    """The page, whose server went down once it was there."""
    site = {path: Served(file.content_type, file.data) for path, file in read_page().items()}
    with serve(site, HEADERS["content-security-policy"]) as url:
        watching = watch(chromium, f"{url}/")
        watched = watching.__enter__()
        watched.page.wait_for_selector("#sign-in:not([hidden])")
    watched.complaints.clear()  # this server knows nobody's models
    yield watched
    watching.__exit__(None, None, None)


def flip(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def open_files(watched: Watched, *files: Path) -> None:
    watched.page.evaluate("document.activeElement.blur()")
    watched.page.set_input_files("#files", [str(file) for file in files])
    watched.page.wait_for_selector("#asked:focus")  # where the reader is led once it is shown


def test_a_receipt_from_disk_is_checked_without_a_server(left_alone: Watched, tmp_path: Path) -> None:
    open_files(left_alone, HONEST)
    assert left_alone.get_checks() == GREEN
    expect(left_alone.page.locator(".banner.is-full")).to_be_visible()
    changed = tmp_path / "changed.receipt"
    changed.write_bytes(flip(HONEST.read_bytes(), 5_000))
    open_files(left_alone, changed)
    banner = left_alone.page.locator(".banner.is-failed")
    expect(banner).to_contain_text("Check 4, signatures and slots")
    assert left_alone.get_checks() == ["ok", "skipped", "ok", "failed", *["not-reached"] * 4]
    expect(left_alone.page.locator("#answer")).to_be_empty()
    expect(left_alone.page.locator("#seats")).to_be_hidden()


def test_a_partial_round_names_the_missing_above_the_answer(left_alone: Watched) -> None:
    open_files(left_alone, PARTIAL)
    expect(left_alone.page.locator(".banner.is-partial")).to_contain_text(
        "1 of 7 seats missing: C from the answers on"
    )
    order = "(ids) => ids.map((id) => document.getElementById(id).getBoundingClientRect().top)"
    tops = left_alone.page.evaluate(order, ["banner", "answer"])
    assert tops == sorted(tops)


def test_a_network_that_is_named_is_trusted(left_alone: Watched) -> None:
    open_files(left_alone, HONEST, VECTORS / "seven.genesis")
    assert left_alone.get_checks()[1] == "ok"
    expect(left_alone.page.locator(".verdict")).to_contain_text("of the network you trust")
    open_files(left_alone, HONEST, VECTORS / "five.genesis")
    assert left_alone.get_checks()[1] == "failed"


def test_files_can_be_dropped(left_alone: Watched) -> None:
    left_alone.page.evaluate(
        """(bytes) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "dropped.receipt"));
            dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
        }""",
        list(HONEST.read_bytes()),
    )
    left_alone.page.wait_for_selector(".checks")
    assert left_alone.get_checks() == GREEN


def test_the_slider_tells_a_receipt_without_a_log_step_by_step(left_alone: Watched) -> None:
    open_files(left_alone, HONEST)
    page = left_alone.page
    slider = page.locator("#moment")
    slider.focus()
    slider.press("Home")
    expect(page.locator(".banner")).to_contain_text("Peers are answering")
    expect(page.locator("#answer")).to_be_empty()
    assert page.locator(".seat .prose").count() == 0
    for _ in range(int(slider.get_attribute("max") or 0)):
        slider.press("ArrowRight")
    expect(page.locator(".banner")).to_contain_text("Full.")
    expect(page.locator("#answer .prose")).to_be_visible()


def test_a_simulated_trace_is_replayed(left_alone: Watched, tmp_path: Path) -> None:
    done = run("testnet", "run", "quiet", "--set", "rounds=2", "--directory", str(tmp_path), "--json")
    assert done.code == 0, done.err
    [events] = tmp_path.glob("*/events.jsonl")
    damaged = tmp_path / "damaged.jsonl"
    damaged.write_bytes(events.read_bytes() + b'{"schema":"peerage.event/9"}\n{"torn')
    open_files(left_alone, damaged)
    page = left_alone.page
    expect(page.locator("#notice")).to_contain_text("2 lines are no events")
    assert page.locator("#trace option").count() == 2
    page.select_option("#trace", index=1)
    expect(page.locator(".banner")).to_contain_text("By the event log; a receipt would prove it.")
    expect(page.locator("#receipt-pane")).to_contain_text("comes with the end")
    page.locator("#moment").press("Home")
    expect(page.locator(".banner")).to_contain_text("Peers are answering")
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.get_by_role("button", name="Pause").click()


# -- one file -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["honest-seven", "honest-partial", "honest-standing", "honest-unanimous"])
def test_a_page_of_one_file_checks_itself(name: str, chromium: Browser, tmp_path: Path) -> None:
    receipt, file = VECTORS / f"{name}.receipt", tmp_path / "round.html"
    done = run("receipt", "page", str(receipt), "--out", str(file))
    assert (done.code, done.out.strip()) == (0, str(file))
    with watch(chromium, file.as_uri()) as watched:
        watched.page.wait_for_selector(".checks")
        assert watched.get_checks() == GREEN
        expect(watched.page.locator("#ask")).to_be_hidden()
        with watched.page.expect_download() as saved:
            watched.page.click("text=Save receipt")
        assert Path(saved.value.path()).read_bytes() == receipt.read_bytes()
        assert watched.requested == [file.as_uri()]


def test_a_changed_page_shows_which_check_fails(chromium: Browser, tmp_path: Path) -> None:
    file = tmp_path / "round.html"
    file.write_bytes(render_round_page(flip(HONEST.read_bytes(), 300)))
    with watch(chromium, file.as_uri()) as watched:
        watched.page.wait_for_selector(".check.is-failed")
        expect(watched.page.locator(".banner.is-failed")).to_contain_text("does not hold")


def test_a_script_added_to_the_page_does_not_run(chromium: Browser, tmp_path: Path) -> None:
    file = tmp_path / "round.html"
    evil = b"<script>globalThis.evil = 1</script></body>"
    file.write_bytes(render_round_page(HONEST.read_bytes()).replace(b"</body>", evil))
    with watch(chromium, file.as_uri()) as watched:
        watched.page.wait_for_selector(".checks")
        assert watched.page.evaluate("globalThis.evil") is None
        assert any("Content Security Policy" in one for one in watched.complaints)
        watched.complaints.clear()


def test_no_page_is_made_of_a_receipt_that_does_not_hold(tmp_path: Path) -> None:
    changed = tmp_path / "changed.receipt"
    changed.write_bytes(flip(HONEST.read_bytes(), 5_000))
    done = run("receipt", "page", str(changed))
    assert done.code == 5
    assert not changed.with_suffix(".html").exists()
    assert run("receipt", "page", "-", stdin=HONEST.read_bytes()).code == 3
    changed.write_bytes(HONEST.read_bytes())
    assert run("receipt", "page", str(changed), "--json").json["file"] == str(changed.with_suffix(".html"))
    assert changed.with_suffix(".html").read_bytes() == render_round_page(HONEST.read_bytes())


def test_the_file_to_be_filled_is_the_one_that_is_served() -> None:
    assert read_page()[SHELL].data == make_shell()
    assert make_shell().count(SLOT.encode()) == 1
    assert len(make_shell()) < 400_000


def test_modules_in_forms_that_are_not_known_are_not_bundled(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text('import { b as c } from "./b.js";\nexport const a = c;\n')
    (tmp_path / "b.js").write_text("const x = 1;\nexport { x as b };\n")
    bundled = bundle_modules(tmp_path, "a.js")
    assert bundled.index('modules["b.js"]') < bundled.index('modules["a.js"]')
    assert 'const { b: c } = modules["b.js"];' in bundled
    assert "return { b: x };" in bundled
    for unknown in ("export default 1;", 'import x from "./b.js";', "const s = '</script>';"):
        (tmp_path / "b.js").write_text(f"{unknown}\n")
        with pytest.raises(AssertionError):
            bundle_modules(tmp_path, "a.js")
    assert bundle_modules(FOLDER, "app/main.js").startswith('"use strict";')
