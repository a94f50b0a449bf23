"""Answers, questions and names are other people's: whatever they hold, nothing of it runs or is fetched."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

import sim_net.world
from consensus.genesis import Member, Network, create_network
from models.contract import Model
from swarm.gateway.one_file import render_round_page
from tests.browser.gateway_page import Watched, watch
from tests.browser.voices import HOSTILE, NAMES, Voices, open_voices
from tests.consensus.receipt_kit import run_round
from tests.gateway.kit import open_gateway

WORK_MS_MAX = 500
STRANGE = "img, script, iframe, object, embed, form, input, base, meta, link, style, svg"


def check_harmless(page: Page) -> None:
    """Hold against everything that is shown: no element but those that the page makes, no strange link."""
    assert page.evaluate("globalThis.hacked") is None
    assert page.locator(f".prose :is({STRANGE})").count() == 0
    assert page.locator("main :is(img, script, iframe, object, embed, base, meta, link, style)").count() == 0
    links = page.eval_on_selector_all("a", "links => links.map((link) => [link.href, link.rel])")
    for href, rel in links:
        assert href.startswith(("https://evil.example/", page.url.partition("#")[0] + "#"))
        assert not href.startswith("https") or "noopener" in rel
    handlers = "[...document.querySelectorAll('*')].flatMap((one) => one.getAttributeNames())"
    assert not [name for name in page.evaluate(handlers) if name.startswith("on")]


def open_everything(page: Page) -> None:
    page.eval_on_selector_all("details", "all => all.forEach((one) => one.open = true)")
    for button in page.locator(".matrix button").all()[:3]:
        button.click()


@pytest.fixture
def hostile_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of simulated worlds whose members, and which themselves, have such names."""

    def create(*, name: bytes, beacon: bytes, members: tuple[Member, ...]) -> Network:
        named = tuple(
            Member(member.key, NAMES[place % len(NAMES)].encode()) for place, member in enumerate(members)
        )
        return create_network(name=NAMES[0].encode() + name, beacon=beacon, members=named)

    monkeypatch.setattr(sim_net.world, "create_network", create)


@pytest.mark.usefixtures("hostile_names")
def test_a_receipt_of_hostile_texts_and_names_shows_them_as_they_are(
    chromium: Browser, tmp_path: Path
) -> None:
    models: list[Model] = [Voices(HOSTILE, place) for place in range(len(HOSTILE))]
    file = tmp_path / "round.html"
    file.write_bytes(render_round_page(run_round(seed=1, models=models)[1]))
    with watch(chromium, file.as_uri()) as watched:
        watched.page.wait_for_selector(".checks")
        open_everything(watched.page)
        check_harmless(watched.page)
        shown = watched.page.inner_text("#seats")
        assert "<script>globalThis.hacked = 1</script>" in shown
        assert 'onerror="hacked=1"' in shown  # a name
        watched.page.locator("#moment").press("Home")
        watched.page.locator("#moment").press("End")
        check_harmless(watched.page)


def test_a_swarm_of_hostile_peers_does_the_page_no_harm(chromium: Browser, tmp_path: Path) -> None:
    with (
        open_voices(tmp_path, HOSTILE, peers=7) as up,
        watch(chromium, up.serving.make_page_url()) as watched,
    ):
        watched.page.wait_for_selector("#ask:not([hidden])")
        for text in (HOSTILE[1], HOSTILE[9]):
            watched.ask(text)
            open_everything(watched.page)
            check_harmless(watched.page)
        watched.page.click("#open-history")
        watched.page.wait_for_selector(".past")
        check_harmless(watched.page)


# -- markdown -----------------------------------------------------------------------------------------

RENDER = """async (texts) => {
    const { renderMarkdown } = await import("/app/markdown.js");
    return texts.map((text) => {
        const start = performance.now();
        const element = renderMarkdown(text);
        return [element.innerHTML, performance.now() - start];
    });
}"""
RENDERED = {
    "one\ntwo": "<p>one<br>two</p>",
    "# A *b*\n\ntext": "<h4>A <em>b</em></h4><p>text</p>",
    "**bold** _it_ ~~no~~ `a < b`": (
        "<p><strong>bold</strong> <em>it</em> <del>no</del> <code>a &lt; b</code></p>"
    ),
    "snake_case_name 2*3*4": "<p>snake_case_name 2*3*4</p>",
    "- a\n- b\n  - c\n\nend": "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul><p>end</p>",
    "3. a\n4. b": '<ol start="3"><li>a</li><li>b</li></ol>',
    "> a\n> b": "<blockquote><p>a<br>b</p></blockquote>",
    "```py\n# x\n```": '<pre tabindex="0"><code># x</code></pre>',
    "```\nopen": '<pre tabindex="0"><code>open</code></pre>',
    "---": "<hr>",
    "a | b": "<p>a | b</p>",
    "| a | b |\n|---|:-:|\n| 1 | **2** |": (
        '<div class="scroll" tabindex="0"><table><thead><tr>'
        '<th scope="col">a</th><th scope="col">b</th></tr></thead>'
        "<tbody><tr><td>1</td><td><strong>2</strong></td></tr></tbody></table></div>"
    ),
    r"\*no\* 5 \< 6": "<p>*no* 5 &lt; 6</p>",
    "see https://a.example/b.": (
        '<p>see <a href="https://a.example/b" rel="noopener noreferrer nofollow" target="_blank">'
        "https://a.example/b</a>.</p>"
    ),
    "[words](https://a.example/b)": (
        '<p><span><a href="https://a.example/b" rel="noopener noreferrer nofollow" target="_blank">words</a>'
        ' <small class="target">(a.example)</small></span></p>'
    ),
    "[x](relative/path) [y](#there)": "<p>[x](relative/path) [y](#there)</p>",
    "<b>raw</b> &amp;": "<p>&lt;b&gt;raw&lt;/b&gt; &amp;amp;</p>",
    "": "",
}
LONG = tuple(
    piece * (20_000 // len(piece))
    for piece in (
        "[",
        "`",
        "*",
        "**a",
        "_a ",
        "> ",
        "- ",
        "[a](",
        "<http://",
        "|",
        "![",
        "\\",
        "~~",
        "a_",
        "\n",
        "1. ",
    )
)


@pytest.fixture(scope="module")
def blank(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with open_gateway(tmp_path_factory.mktemp("gateway")) as up, watch(chromium, up.serving.url) as watched:
        watched.page.wait_for_selector("#sign-in:not([hidden])")
        watched.complaints.clear()  # the browser notes the 401
        yield watched


def test_markdown_becomes_these_elements(blank: Watched) -> None:
    made = blank.page.evaluate(RENDER, list(RENDERED))
    assert {text: html for text, (html, _) in zip(RENDERED, made, strict=True)} == RENDERED


def test_no_text_takes_long(blank: Watched) -> None:
    for piece, (html, took_ms) in zip(LONG, blank.page.evaluate(RENDER, list(LONG)), strict=True):
        assert took_ms < WORK_MS_MAX, piece[:10]
        assert len(html) < 40 * len(piece), piece[:10]


def test_no_string_can_become_markup_at_all(blank: Watched) -> None:
    tried = blank.page.evaluate(
        """() => {
            try {
                document.querySelector("#answer").innerHTML = "<b>x</b>";
            } catch (error) {
                return error.name;
            }
        }"""
    )
    assert tried == "TypeError"  # Trusted Types
    blank.complaints.clear()
