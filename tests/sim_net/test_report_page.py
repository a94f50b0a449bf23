"""The page of a run: hostile texts are harmless on it, it loads nothing, and it says what happened."""

import base64
import hashlib
import re
import sys
import time
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from consensus.errors import ConfigError
from sim_net.records import Recording, VerdictKind
from sim_net.report.page import PEERS_SHOWN_MAX, render_report
from sim_net.report.text import (
    format_bytes,
    format_ms,
    format_number,
    format_peers,
    format_share,
    make_visible,
    shorten,
)
from tests.sim_net.recordings import make_empty_recording, make_recording, with_fork, with_hostile_texts

VOID = frozenset({"meta", "br", "link", "img", "input", "hr"})
BYTES_MAX = 3_000_000
RENDER_S_MAX = 5.0


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in its place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not set(self.open) & {"style", "script"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def list_tags(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


def _make_pages() -> dict[str, Recording]:
    whole = make_recording()
    return {
        "whole": whole,
        "fork": with_fork(whole, round_number=2, step=1, peers=(0, 4)),
        "hostile": with_hostile_texts(whole),
        "empty": make_empty_recording(),
        "wide": make_recording(rounds=8, peers=45, bad=14),
        "single": make_recording(rounds=1),
    }


RECORDINGS = _make_pages()
HTML = {name: render_report(recording) for name, recording in RECORDINGS.items()}
each_page = pytest.mark.parametrize("name", HTML)


@each_page
def test_a_page_is_well_formed(name: str) -> None:
    page = Page(HTML[name])
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"] for attributes in page.list_tags("a")]
    assert links
    assert all(link and link.startswith("#") and link[1:] in ids for link in links)


@each_page
def test_a_page_loads_nothing(name: str) -> None:
    page = Page(HTML[name])
    loading = {"src", "srcset", "data", "poster", "background", "xlink:href", "action", "formaction"}
    assert not [one for one in page.elements if loading & set(one[1])]
    assert not page.list_tags("link")
    assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on")]
    style = HTML[name].partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


@each_page
def test_a_page_forbids_itself_connections_and_foreign_scripts(name: str) -> None:
    (policy,) = [
        attributes["content"]
        for attributes in Page(HTML[name]).list_tags("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    scripts = re.findall(r"<script>(.*?)</script>", HTML[name], re.DOTALL)
    assert len(scripts) == 1
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


@each_page
def test_pictures_and_tables_are_for_everybody(name: str) -> None:
    page = Page(HTML[name])
    assert all(attributes.get("scope") for attributes in page.list_tags("th"))
    pictures = re.findall(r"<svg.*?</svg>", HTML[name], re.DOTALL)
    assert len(pictures) == len(page.list_tags("svg"))
    for picture in pictures:
        tree = ElementTree.fromstring(picture)
        assert tree.get("role") == "img"
        assert [child.tag for child in tree][:2] == ["title", "desc"]
        assert tree.get("aria-labelledby") == f"{tree[0].get('id')} {tree[1].get('id')}"


def test_texts_of_strangers_stay_texts() -> None:
    html = HTML["hostile"]
    page = Page(html)
    assert "<script>alert" not in html
    assert '<script>alert("x")</script>↵⟨U+202E⟩evil⟨U+200B⟩' in page.text
    assert "⟨U+001B⟩[31mred" in page.text
    hidden = [character for character in html if not character.isprintable() and character != "\n"]
    assert hidden == []
    assert "A" * 1_000 not in html
    assert "more characters" in page.text


def test_the_verdict_is_said_in_words() -> None:
    whole = RECORDINGS["whole"]
    words = {
        VerdictKind.OK: "OK Every rule and every expectation holds.",
        VerdictKind.EXPECTATION: "Expectation not met",
        VerdictKind.LIVENESS: "Liveness violated",
        VerdictKind.SAFETY: "Safety violated",
    }
    for kind, said in words.items():
        head = Page(render_report(replace(whole, verdict=kind))).text[:400]
        assert [other for other in words if words[other] in head] == [kind], said


def test_the_head_says_how_to_run_it_again() -> None:
    page = Page(HTML["whole"])
    whole = RECORDINGS["whole"]
    for value in (whole.replay, whole.version, whole.trace_digest, f"seed {whole.seed}"):
        assert value in page.text.partition("How to read this")[0]
    assert 'about = "A fifth of the messages are lost & one peer shills <b>for a friend</b>"' in page.text


def test_a_fork_is_seen_at_a_glance() -> None:
    forked, whole = Page(HTML["fork"]).text, Page(HTML["whole"]).text
    assert "FORK: 2 digests" in forked
    assert "Steps with more than one digest" in forked
    assert "agreement : two digests in round 2" in forked
    assert "FORK" not in whole
    assert "one digest" in whole


def test_two_values_without_a_broken_rule_are_not_called_a_fork() -> None:
    page = Page(render_report(replace(RECORDINGS["fork"], verdict=VerdictKind.OK)))
    assert "FORK" not in page.text
    assert "2 digests; no rule is broken if they are of two questions under one number" in page.text


def test_evidence_against_an_honest_peer_stands_out() -> None:
    whole = RECORDINGS["whole"]
    honest = next(peer.peer for peer in whole.peers if not peer.is_byzantine)
    accusations = (replace(whole.accusations[0], accused=honest), whole.accusations[1])
    assert "evidence against an honest peer" not in Page(HTML["whole"]).text
    assert (
        "evidence against an honest peer" in Page(render_report(replace(whole, accusations=accusations))).text
    )


def test_shares_stand_with_their_interval_and_number() -> None:
    assert re.search(r"Right answers \d+\.\d % \d+\.\d % to \d+\.\d %, n = 10 ", Page(HTML["whole"]).text)
    assert "Right answers not known n = 0" in Page(HTML["empty"]).text
    assert "Not in this picture: 1 without a receipt." in Page(HTML["whole"]).text


def test_what_does_not_fit_is_counted() -> None:
    whole = RECORDINGS["whole"]
    peers = tuple(replace(whole.peers[0], peer=number) for number in range(PEERS_SHOWN_MAX + 7))
    assert "7 more are in tables/peers.parquet" in Page(render_report(replace(whole, peers=peers))).text
    assert "5 more peers are not drawn." in Page(HTML["wide"]).text


def test_equal_weights_are_one_sentence() -> None:
    whole = RECORDINGS["whole"]
    assert "Weight over rounds" in Page(HTML["whole"]).text
    level = tuple(replace(row, weight=1.0) for row in whole.weights)
    page = Page(render_report(replace(whole, weights=level)))
    assert "All 7 judges weigh the same: 1." in page.text
    assert "Weight over rounds" not in page.text


def test_the_same_recording_gives_the_same_page() -> None:
    assert render_report(make_recording()) == HTML["whole"]
    assert render_report(make_recording(seed=8)) != HTML["whole"]


@pytest.mark.slow
def test_a_thousand_rounds_are_a_small_page_soon() -> None:
    recording = make_recording(rounds=1_000, peers=15, bad=4)
    start = time.process_time()
    html = render_report(recording)
    assert time.process_time() - start < RENDER_S_MAX
    assert len(html.encode()) < BYTES_MAX


def test_without_jinja_there_is_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ConfigError, match="Jinja2") as caught:
        render_report(RECORDINGS["whole"])
    assert caught.value.remedy == "pip install 'peerage[testnet]'"


def test_invisible_characters_are_written_out() -> None:
    assert make_visible("plain text, 2 + 2") == "plain text, 2 + 2"
    assert make_visible("größer 漢字 👍 e\u0301") == "größer 漢字 👍 e\u0301"
    assert make_visible("a\u202eb\u2066c\x00\U000e0041\ud800") == (
        "a⟨U+202E⟩b⟨U+2066⟩c⟨U+0000⟩⟨U+E0041⟩⟨U+D800⟩"
    )
    assert make_visible("a\nb\tc") == "a↵b⇥c"
    assert make_visible("a\nb\x1b", keeps_lines=True) == "a\nb⟨U+001B⟩"
    assert make_visible("z" + "\u0301" * 5) == "z" + "\u0301" * 3 + "⟨U+0301⟩" * 2


def test_numbers_are_written_as_people_write_them() -> None:
    assert shorten("a" * 5, 5) == "aaaaa"
    assert shorten("a" * 1_006, 6) == "aaaaaa … and 1,000 more characters"
    assert [format_ms(value) for value in (0, 999, 1_000, 99_999, 125_000, 11_220_000, -5)] == [
        "0 ms",
        "999 ms",
        "1.00 s",
        "100.00 s",
        "2 min 05 s",
        "3 h 07 min",
        "-5 ms",
    ]
    assert [format_number(value) for value in (3.0, 12_345.0, 0.123456, float("nan"), float("inf"))] == [
        "3",
        "12,345",
        "0.1235",
        "not known",
        "inf",
    ]
    assert format_share(0.1234) == "12.3 %"
    assert [format_bytes(count) for count in (5, 1_500, 2_000_000, 3 * 10**12)] == [
        "5 B",
        "1.5 kB",
        "2.0 MB",
        "3.0 TB",
    ]
    assert format_peers([5, 0, 1, 2, 3, 6]) == "0-3, 5, 6"
    assert format_peers([]) == ""
