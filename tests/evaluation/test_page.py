"""The page of a run: no model and no file can speak in it, and every picture has words and a table."""

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.directory import RunDirectory, create_directory
from evaluation.page.page import render_page, shorten
from evaluation.page.plots import draw_curve, draw_judges
from evaluation.page.svg import Axis, make_harmless, picture, tag, text
from evaluation.record import QuestionRecord, SwarmRecords
from evaluation.statistics import Interval
from evaluation.summary import KindTiming, Summary, Timing, make_summary
from evaluation.tables import CurvePoint, JudgeRow, summarise
from tests.evaluation.kit import make_record, make_scores, make_swarm

HOSTILE = "<script>alert(1)</script><img src=x onerror=y>\u202e&\"'"
PLAN = """
schema = 1
name = '''NAME'''
bootstrap = 20
[[tasks]]
spec = "gold:units:1"
count = 9
[[swarms]]
name = "five"
model = "scripted"
peers = 5
[budget]
calls = [4, 8]
sizes = [3, 5]
"""
VOID = {"meta", "br", "img", "link"}


class Checker(HTMLParser):
    """Keeps what tags there are and that they nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def make_records(name: str) -> list[QuestionRecord]:
    scores = make_scores(*([-1.0, -2.0, -3.0],) * 5)
    return [
        make_record(
            [name, "b", "c", "b", name], right=["b"], key=f"k{i}", family=f"{name}{i % 2}", judgements=scores
        )
        for i in range(6)
    ]


def make_page(tmp_path: Path, name: str, records: list[QuestionRecord], *, judge: str = "likelihood") -> str:
    plan = PLAN.replace("NAME", name.replace("'", "")).encode()
    directory: RunDirectory = create_directory(
        tmp_path / "run", plan, origin="p", seed=None, is_quick=True, version=name
    )
    one = SwarmRecords(
        swarm=make_swarm(name=name),
        judge=judge,
        models=(name,) * 5,
        digests=("00",) * 5,
        records=tuple(records),
        problem="" if judge else name,
    )
    summary: Summary = make_summary(directory, [summarise(directory.plan, one)[0]])
    timing = Timing(schema="t", calls=(KindTiming(kind="score", model="00", calls=3, seconds=0.5),))
    return render_page(summary, timing, directory)


def test_what_models_and_files_say_stays_text(tmp_path: Path) -> None:
    page = make_page(tmp_path, HOSTILE, make_records(HOSTILE))
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert "script" not in checker.tags
    assert "img" not in checker.tags
    assert not [name for _, name, _ in checker.attributes if name.startswith("on")]
    assert "\u202e" not in page
    assert "alert(1)" in page


def test_the_page_needs_no_network(tmp_path: Path) -> None:
    page = make_page(tmp_path, "plain", make_records("a"))
    checker = Checker()
    checker.feed(page)
    links = [value for _, name, value in checker.attributes if name in ("src", "href")]
    assert links
    assert all(link is not None and link.startswith("#") for link in links)
    targets = [value for _, name, value in checker.attributes if name == "id"]
    assert len(targets) == len(set(targets))
    assert all(link is not None and link[1:] in targets for link in links)
    assert "default-src 'none'" in page
    assert not re.search(r"@import|url\(", page)


def test_every_picture_says_what_it_shows_and_has_a_table(tmp_path: Path) -> None:
    page = make_page(tmp_path, "plain", make_records("a"))
    pictures = [ElementTree.fromstring(one) for one in re.findall(r"<svg.*?</svg>", page, re.S)]
    assert len(pictures) >= 5  # accuracy, two curves, calibration, judges
    for one in pictures:
        assert one.get("role") == "img"
        named = [one.find(f"*[@id='{name}']") for name in (one.get("aria-labelledby") or "").split()]
        assert len(named) == 2
        assert all(found is not None and found.text for found in named)
    sections = page.split("<h3>")[1:]
    assert all("<table" in section for section in sections if "<svg" in section)


def test_a_swarm_without_judges_says_why(tmp_path: Path) -> None:
    records = [make_record(["a", "b", "a", "c", "a"], right=["a"], key=f"k{i}") for i in range(3)]
    page = make_page(tmp_path, "mute", records, judge="")
    assert "none: mute" in page
    assert "Left out, for want of what they need" in page
    assert "<h3>Judges</h3>" not in page
    assert "<h3>Calibration" not in page


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_curve_of_one_place_and_equal_figures_can_be_drawn(value: float) -> None:
    points = [
        CurvePoint(method=f"m{i}", at=4, accuracy=Interval(value, value, value), judge_calls=0.0)
        for i in range(9)
    ]
    ElementTree.fromstring(draw_curve("c", points, title="t", unit="u"))


def test_judges_without_verdicts_leave_the_picture_empty() -> None:
    row = JudgeRow(peer=0, model="m", family="all", verdicts=0, missing=0, accuracy=None, as_author=0.0)
    drawn = ElementTree.fromstring(draw_judges("j", [row]))
    assert not drawn.findall(".//circle")


@given(low=st.floats(0, 0.9), span=st.floats(1e-3, 1.0), count=st.integers(2, 12))
def test_ticks_are_few_rising_and_on_the_axis(low: float, span: float, count: int) -> None:
    axis = Axis(low=low, high=low + span, start=10, end=200)
    ticks = axis.list_ticks(count)
    assert ticks == sorted(dict.fromkeys(ticks))
    assert len(ticks) <= count + 1
    assert all(low - 1e-6 <= tick <= low + span + 1e-6 for tick in ticks)
    assert all(10 <= axis.place(tick) <= 200 for tick in ticks)


@given(content=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])))
def test_words_and_attributes_are_escaped(content: str) -> None:
    drawn = picture(
        "p", text(1, 2, content), tag("g", class_=content), title=content, about=content, width=9, height=9
    )
    parsed = ElementTree.fromstring(drawn)
    found = parsed.find("text")
    assert found is not None
    assert (found.text or "") == make_harmless(content)


def test_long_texts_are_cut_and_hidden_characters_shown() -> None:
    assert shorten("a\u202eb") == "a\N{REPLACEMENT CHARACTER}b"
    assert len(shorten("x" * 10_000)) < 400
