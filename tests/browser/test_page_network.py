"""The page before a network of other people's peers: what it can tell live, and whom it trusts in the end."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.gateway_page import watch
from tests.gateway.network import open_network_gateway, open_peers

MODEL = "scripted:accuracy=0.3,latency=0.2"  # several answers, so that there are ballots to be seen


def test_it_follows_a_network_s_round_and_trusts_it_once_its_genesis_is_opened(
    chromium: Browser, tmp_path: Path
) -> None:
    with (
        open_peers(tmp_path / "peers", model=MODEL) as peers,
        open_network_gateway(tmp_path, peers.file) as up,
        watch(chromium, up.serving.make_page_url()) as page,
    ):
        page.page.wait_for_selector("#ask:not([hidden])")
        assert page.page.locator("#model option").all_inner_texts() == ["swarm", "swarm-fast"]
        page.page.evaluate(
            """() => {
                globalThis.seen = [];
                new MutationObserver(() => globalThis.seen.push(document.querySelector("#round").innerText))
                    .observe(document.querySelector("#round"), { childList: true, subtree: true });
            }"""
        )
        page.ask()
        seen = page.page.evaluate("globalThis.seen")
        assert any("Peers are answering." in one for one in seen)
        assert any("Peers are judging." in one for one in seen)
        expect(page.page.locator(".banner")).to_contain_text("Full. All 4 seats took part")
        assert page.page.locator(".seat").count() == 4
        assert page.get_checks().count("failed") == 0
        expect(page.page.locator(".verdict")).to_have_text("Consistent.")
        (genesis,) = (tmp_path / "data" / "networks").glob("*.genesis")
        page.page.set_input_files("#files", genesis)
        expect(page.page.locator(".verdict")).to_have_text("Consistent, and of the network you trust.")
        moments = page.page.locator("#moment")
        moments.fill("1")
        expect(page.page.locator(".banner")).to_contain_text("Peers are answering.")
