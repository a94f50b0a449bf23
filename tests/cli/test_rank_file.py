"""`peerage rank FILE`: both formats, every bad row named, what comparisons leave open said."""

import json
import math
import random
import xml.etree.ElementTree as ET
from pathlib import Path

import choix
import pytest

from ranking.baselines import METHODS as FACTORIES
from swarm.cli import rank_rows, rank_table
from swarm.cli.rank_plot import ITEMS_DRAWN_MAX
from tests.cli.console import Json, Ran, Value, run, run_process

Row = tuple[str, str, str, float]
ROWS: tuple[Row, ...] = (
    ("p", "a", "b", 1),
    ("p", "b", "c", 1),
    ("q", "a", "c", 0.75),
    ("q", "c", "b", 0.5),
    ("r", "b", "a", 0),
    ("r", "c", "a", 0.5),
)
CSV = b"".join(f"{judge},{left},{right},{outcome}\n".encode() for judge, left, right, outcome in ROWS)
JSONL = b"".join(json.dumps(dict(zip(rank_rows.REQUIRED, row, strict=True))).encode() + b"\n" for row in ROWS)
OF_TABLES = ("ours", *(name for name in FACTORIES if name not in ("majority", "weighted-vote")))


def rank(data: bytes, *options: str) -> Ran:
    return run("rank", "-", *options, stdin=data)


def get_order(ran: Ran) -> list[Value]:
    assert ran.code == 0, ran.err
    return [one["id"] for one in get_ranking(ran)]


def get_ranking(ran: Ran) -> list[Json]:
    ranking = ran.json["ranking"]
    assert isinstance(ranking, list)
    return [one for one in ranking if isinstance(one, dict)]


def make_csv(seed: int, *, items: int = 8, rows: int = 400, judges: int = 5) -> bytes:
    source = random.Random(seed)
    lines = []
    for _ in range(rows):
        left, right = source.sample(range(items), 2)
        is_left = source.random() < 1 / (1 + math.exp(0.7 * (left - right)))
        lines.append(f"j{source.randrange(judges)},i{left},i{right},{int(is_left)}\n")
    return "".join(lines).encode()


# -- what is said ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", OF_TABLES)
def test_every_method_ranks_a_table(method: str) -> None:
    ran = rank(CSV, "--method", method, "--json")
    said = ran.json
    assert (ran.code, get_order(ran)[0]) == (0, "a")
    assert (said["schema"], said["method"]) == ("peerage.rank/1", method)
    assert (said["comparisons"], said["items"], said["judges"]) == (6, 3, 3)
    strengths = [float(str(one["strength"])) for one in get_ranking(ran)]
    assert strengths == sorted(strengths, reverse=True)
    assert [one["rank"] for one in get_ranking(ran)] == [1, 2, 3]
    assert sum(int(str(one["comparisons"])) for one in get_ranking(ran)) == 12


@pytest.mark.parametrize("method", ["majority", "weighted-vote"])
def test_methods_that_need_authors_refuse_a_table(method: str) -> None:
    ran = rank(CSV, "--method", method)
    assert (ran.code, ran.out) == (2, "")
    assert f"{method} counts authors" in ran.err


def test_for_people_there_is_a_table() -> None:
    ran = rank(CSV)
    assert ran.code == 0
    heading, *rows = [line.split() for line in ran.out.splitlines()]
    assert heading == ["rank", "item", "strength", "comparisons"]
    assert [(row[0], row[1], row[3]) for row in rows] == [("1", "a", "4"), ("2", "b", "4"), ("3", "c", "4")]
    strengths = {str(one["id"]): float(str(one["strength"])) for one in get_ranking(rank(CSV, "--json"))}
    assert {row[1]: float(row[2]) for row in rows} == pytest.approx(strengths, abs=5e-4)
    assert ran.err == (
        "6 comparisons of 3 items by 3 judges, ranked by ours; strengths are log-strengths in nats\n"
    )


def test_the_order_is_choixs_where_the_models_coincide() -> None:
    for seed in range(5):
        data = make_csv(seed)
        rows = [line.split(",") for line in data.decode().split()]
        pairs = [
            (int(row[1][1]), int(row[2][1])) if row[3] == "1" else (int(row[2][1]), int(row[1][1]))
            for row in rows
        ]
        expected = choix.opt_pairwise(8, pairs, alpha=0.25)  # alpha is half the precision of its prior
        ranking = get_ranking(rank(data, "--json"))
        assert [one["id"] for one in ranking] == [f"i{index}" for index in (-expected).argsort()]
        strengths = {str(one["id"]): float(str(one["strength"])) for one in ranking}
        assert [strengths[f"i{index}"] for index in range(8)] == pytest.approx(expected.tolist(), abs=1e-3)


# -- formats -----------------------------------------------------------------------------------------

SAME = {
    "json lines": JSONL,
    "a header": b"judge,left,right,outcome\n" + CSV,
    "a header in capitals, after a blank line": b"\n\n Judge , LEFT,Right,Outcome\r\n" + CSV,
    "columns in another order": b"outcome,weight,right,left,judge\n"
    + b"".join(f"{row[3]},1,{row[2]},{row[1]},{row[0]}\n".encode() for row in ROWS),
    "weights of 1": b"".join(line + b",1.0\n" for line in CSV.splitlines()),
    "weights here and there": CSV.replace(b"0.75\n", b"0.75,1\n"),
    "line ends of Windows, and none at the end": CSV.replace(b"\n", b"\r\n").rstrip(),
    "a byte-order mark": b"\xef\xbb\xbf" + CSV,
    "blank lines": CSV.replace(b"\n", b"\n\n \n"),
    "quotes and spaces": CSV.replace(b"p,a", b'"p", "a"'),
    "rows in another order": b"".join(sorted(CSV.splitlines(keepends=True), reverse=True)),
    "json lines with weights and whole numbers": JSONL.replace(b": 0.5}", b': 0.5, "weight": 1}'),
}


@pytest.mark.parametrize("data", SAME.values(), ids=SAME)
@pytest.mark.parametrize("block", [16, 1 << 20])
def test_what_says_the_same_is_ranked_alike(data: bytes, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = rank(CSV, "--json")
    monkeypatch.setattr(rank_table, "BLOCK_BYTES", block)
    assert rank(data, "--json") == expected


def test_the_suffix_says_the_format_and_else_the_content_does(tmp_path: Path) -> None:
    expected = rank(CSV, "--json")
    for name, data in (("v.csv", CSV), ("v.jsonl", JSONL), ("v.ndjson", JSONL), ("v", JSONL), ("v.txt", CSV)):
        path = tmp_path / name
        path.write_bytes(data)
        assert run("rank", str(path), "--json") == expected
    path = tmp_path / "wrong.jsonl"
    path.write_bytes(CSV)
    assert run("rank", str(path)).code == 2


def test_ids_may_be_any_text_and_whole_numbers_are_their_digits() -> None:
    names = b'"a ""b"", c",1,\xc3\xa9\xe2\x80\xa8\x0b x,1\n'
    said = rank(names, "--json")
    assert get_order(said) == ["1", "é\u2028\x0b x"]
    lines = b'{"judge":7,"left":1,"right":"2","outcome":1}\n{"judge":"7","left":"1","right":2,"outcome":1}\n'
    ran = rank(lines, "--json")
    assert (get_order(ran), ran.json["judges"]) == (["1", "2"], 1)


def test_weights_are_masses() -> None:
    data = b"p,a,b,1,3\np,b,a,1,1\n"
    assert get_order(rank(data, "--json")) == ["a", "b"]
    assert get_order(rank(data.replace(b",3", b",0.5"), "--json")) == ["b", "a"]
    assert get_order(rank(data.replace(b",3", b",0"), "--json")) == ["b", "a"]


# -- what comparisons leave open ---------------------------------------------------------------------


def test_parts_undefeated_and_winless_items_are_said() -> None:
    data = b"p,a,b,1\np,b,c,1\np,x,y,0.5\n"
    ran = rank(data, "--json")
    assert ran.code == 0
    assert (ran.json["parts"], ran.json["undefeated"], ran.json["winless"]) == (
        [["a", "b", "c"], ["x", "y"]],
        ["a"],
        ["c"],
    )
    assert "note: the items fall into 2 parts of 3, 2 that were never compared" in ran.err
    assert "note: undefeated: a; without a prior" in ran.err
    assert "note: winless: c; without a prior" in ran.err


def test_nothing_is_noted_where_nothing_is_open() -> None:
    ran = rank(make_csv(1), "--json")
    assert "note:" not in ran.err
    parts = ran.json["parts"]
    assert isinstance(parts, list)
    assert (len(parts), ran.json["undefeated"], ran.json["winless"]) == (1, [], [])


def test_long_lists_are_cut() -> None:
    ran = rank(b"".join(f"p,top{index},low{index},1\n".encode() for index in range(9)))
    assert "9 parts of 2, 2, 2, 2, 2, ... that" in ran.err
    assert "undefeated: top0, top1, top2, top3, top4 and 4 more;" in ran.err


def test_ema_says_that_one_table_teaches_it_nothing() -> None:
    ran = rank(CSV, "--method", "ema", "--json")
    assert get_ranking(ran) == get_ranking(rank(CSV, "--method", "plain-bt", "--json"))
    assert "ema has learnt no reputation" in ran.err


# -- bad rows ----------------------------------------------------------------------------------------

LONG = b"x" * (rank_rows.ID_CHARS_MAX + 1)
BAD_CSV = (
    (b"p,a,b", "got 3 fields, expected judge,left,right,outcome and perhaps weight"),
    (b"p,a,b,1,1,1", "got 6 fields, expected"),
    (b"p,a,b,1.5", "outcome: got 1.5, expected 0 to 1"),
    (b"p,a,b,-0.1", "outcome: got -0.1, expected 0 to 1"),
    (b"p,a,b,nan", "outcome: got nan, expected 0 to 1"),
    (b"p,a,b,", "outcome: got '', expected a number"),
    (b"p,a,b,win", "outcome: got 'win', expected a number"),
    (b"p,a,a,1", "right: got 'a' on both sides, expected two items"),
    (b",a,b,1", "judge: got 0 characters, expected 1 to 256"),
    (b"p,,b,1", "left: got 0 characters"),
    (b"p,a,,1", "right: got 0 characters"),
    (b"p,a," + LONG + b",1", "right: got 257 characters, expected 1 to 256"),
    (b"p,a,b,1,-1", "weight: got -1, expected 0 to 1e+12"),
    (b"p,a,b,1,nan", "weight: got nan"),
    (b"p,a,b,1,inf", "weight: got inf"),
    (b"p,a,b,1,1e13", "weight: got 1e+13"),
    (b"p,a,b,1,", "weight: got '', expected a number"),
    (b'p,a,"b,1', "got no CSV"),
    (b'p,a,"b"c,1', "got no CSV"),
    (b"p,a,\xff,1", "got bytes that are not UTF-8"),
    (b"judge,left,right,outcome", "outcome: got 'outcome', expected a number"),
)
BAD_JSONL = (
    (b"p,a,b,1", "got no JSON"),
    (b"[]", "got a list, expected an object"),
    (b'{"judge":"p","left":"a","right":"b"}', "outcome is missing"),
    (
        b'{"judge":"p","left":"a","right":"b","outcom":1}',
        "'outcom' means nothing\n  try: did you mean outcome?",
    ),
    (b'{"judge":"p","left":"a","right":"b","outcome":2}', "outcome: got 2, expected 0 to 1"),
    (b'{"judge":"p","left":"a","right":"b","outcome":NaN}', "NaN and Infinity are no JSON"),
    (b'{"judge":"p","left":"a","right":"b","outcome":"1"}', "outcome: got text, expected a number"),
    (b'{"judge":"p","left":1.5,"right":"b","outcome":1}', "left: got a number, expected"),
    (b'{"judge":"p","left":null,"right":"b","outcome":1}', "left: got null, expected"),
    (b'{"judge":"p","left":"b","right":"b","outcome":1}', "right: got 'b' on both sides"),
    (b'{"judge":"p","left":"a","right":"b","outcome":1,"weight":-2}', "weight: got -2, expected 0 to 1e+12"),
    (b'{"judge":"\xff","left":"a","right":"b","outcome":1}', "not UTF-8"),
)


def assert_refused(ran: Ran, line: int, message: str) -> None:
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"peerage: stdin, line {line}: ")
    assert message in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(("row", "message"), BAD_CSV, ids=[message for _, message in BAD_CSV])
@pytest.mark.parametrize("block", [16, 1 << 20])
def test_a_bad_row_of_csv_is_named(
    row: bytes, message: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rank_table, "BLOCK_BYTES", block)
    assert_refused(rank(CSV + b"\n" + row + b"\n" + CSV + b"p,a,b,9\n"), 8, message)


@pytest.mark.parametrize(("row", "message"), BAD_JSONL, ids=[message for _, message in BAD_JSONL])
def test_a_bad_row_of_json_lines_is_named(row: bytes, message: str) -> None:
    assert_refused(rank(JSONL + b"\n" + row + b"\n" + JSONL), 8, message)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"judge,left,right,score", "got a column 'score', expected each of judge,left,right,outcome"),
        (b"judge,left,left,outcome", "got a column 'left'"),
        (b"judge,left,right", "column outcome is missing"),
        (b"judge,left,right,outcome,weight,note", "got a column 'note'"),
    ],
)
def test_a_header_that_is_not_right(header: bytes, message: str) -> None:
    assert_refused(rank(header + b"\n" + CSV), 1, message)


def test_a_row_narrower_than_its_header() -> None:
    assert_refused(rank(b"judge,left,right,outcome,weight\np,a,b,1\n"), 2, "got 4 fields, expected 5")


@pytest.mark.parametrize("data", [b"", b"\n \n", b"judge,left,right,outcome\n"])
def test_no_comparison_at_all(data: bytes) -> None:
    ran = rank(data)
    assert (ran.code, ran.out) == (2, "")
    assert "stdin holds no comparison" in ran.err


def test_one_json_list_is_no_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "v.json"
    path.write_bytes(b"[" + JSONL.replace(b"\n", b",\n").rstrip(b",\n") + b"]\n")
    ran = run("rank", str(path))
    assert (ran.code, ran.out) == (2, "")
    assert "put each comparison on a line of its own" in ran.err


@pytest.mark.parametrize(
    ("limit", "most", "message"),
    [
        ("ROWS_MAX", 6, "got more than 5 comparisons"),
        ("ITEMS_MAX", 3, "got more than 2 items"),
        ("JUDGES_MAX", 3, "got more than 2 judges"),
    ],
)
def test_limits_are_named(limit: str, most: int, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_table, limit, most)
    assert rank(CSV).code == 0
    monkeypatch.setattr(rank_table, limit, most - 1)
    ran = rank(CSV)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_a_line_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    assert_refused(
        rank(CSV + b"p,a,b," + b"0" * 2 * rank_table.BLOCK_BYTES), 7, "got more than the 65536 bytes"
    )


@pytest.mark.parametrize("place", [".", "/nonexistent", "/dev/null/x", "\0"])
def test_what_is_no_file(place: str) -> None:
    ran = run("rank", place)
    assert (ran.code, ran.out) == (3, "")
    assert "cannot read" in ran.err


def test_hostile_names_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in rank(b"p,\x1b[2J,b,1\n").out
    ran = rank(b"p,\x1b[2J,\x1b[2J,1\n")
    assert (ran.code, "\x1b" in ran.err) == (2, False)


def test_a_table_too_large_for_a_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ranking.games.DENSE_ITEMS_MAX", 2)
    ran = rank(CSV, "--method", "crowd-bt")
    assert (ran.code, ran.out) == (2, "")
    assert "crowd-bt cannot rank this: this method takes at most 2 items, got 3" in ran.err


# -- intervals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["ours", "plain-bt"])
def test_intervals_hold_their_strength_and_p_best_is_shared_out(method: str) -> None:
    data = make_csv(2)
    ran = rank(data, "--method", method, "--intervals", "--json")
    plain = rank(data, "--method", method, "--json")
    assert [one["strength"] for one in get_ranking(ran)] == [one["strength"] for one in get_ranking(plain)]
    chances = []
    for one, without in zip(get_ranking(ran), get_ranking(plain), strict=True):
        interval = one["interval"]
        assert isinstance(interval, list)
        low, high = (float(str(end)) for end in interval)
        assert low < float(str(one["strength"])) < high
        assert high - low < 3
        chances.append(float(str(one["p_best"])))
        assert (without["interval"], without["p_best"]) == (None, None)
    assert sum(chances) == pytest.approx(1)
    assert max(chances) == chances[0] > 0.5
    assert 0.5 < float(str(ran.json["p_first_beats_second"])) <= 1
    assert plain.json["p_first_beats_second"] is None
    assert "note: errors are those by which the 5 judges" in ran.err
    assert "P(best) holds if judges err independently" in ran.err
    assert "note:" not in plain.err


def test_more_comparisons_narrow_the_intervals() -> None:
    widths = []
    for rows in (400, 6_400):
        said = get_ranking(rank(make_csv(3, rows=rows, judges=40), "--intervals", "--json"))
        ends = [[float(str(end)) for end in str(one["interval"])[1:-1].split(",")] for one in said]
        widths.append(sum(high - low for low, high in ends))
    assert widths[1] < widths[0] / 2


def test_one_judge_is_said() -> None:
    ran = rank(make_csv(4, judges=1), "--intervals")
    assert ran.code == 0
    assert "note: errors rest on the model alone, since there is one judge" in ran.err


def test_intervals_stand_in_the_table_and_in_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "r.svg"
    ran = rank(CSV, "--intervals", "--plot", str(path))
    heading, *rows = ran.out.splitlines()
    assert heading.split() == ["rank", "item", "strength", "95", "%", "interval", "P(best)", "comparisons"]
    assert all(len(row.split()) == 8 and row.split()[4] == "to" for row in rows)
    picture = ET.fromstring(path.read_text())
    ranges = [one for one in picture.iter(f"{SVG}line") if one.get("class") == "range"]
    for one, dot in zip(ranges, picture.iter(f"{SVG}circle"), strict=True):
        assert float(str(one.get("x1"))) < float(str(dot.get("cx"))) < float(str(one.get("x2")))
    assert not [one for one in draw(CSV, path).iter(f"{SVG}line") if one.get("class") == "range"]


# -- the picture -------------------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"


def draw(data: bytes, path: Path, *options: str) -> ET.Element:
    ran = rank(data, "--plot", str(path), *options)
    assert ran.code == 0, ran.err
    text = path.read_text()
    assert "href" not in text
    assert "url(" not in text
    return ET.fromstring(text)


def list_texts(picture: ET.Element, class_: str) -> list[str]:
    return [str(one.text) for one in picture.iter(f"{SVG}text") if one.get("class") == class_]


@pytest.mark.parametrize("method", OF_TABLES)
def test_the_picture_shows_every_item_best_first(method: str, tmp_path: Path) -> None:
    picture = draw(CSV, tmp_path / "r.svg", "--method", method)
    dots = list(picture.iter(f"{SVG}circle"))
    order = get_order(rank(CSV, "--method", method, "--json"))
    assert list_texts(picture, "end") == order
    heights = [float(str(dot.get("cy"))) for dot in dots]
    places = [float(str(dot.get("cx"))) for dot in dots]
    assert heights == sorted(heights)
    assert places == sorted(places, reverse=True)


def test_names_in_the_picture_are_text(tmp_path: Path) -> None:
    picture = draw(b"p,<script>&,'</svg>\x01,1\n", tmp_path / "r.svg")
    assert list_texts(picture, "end") == ["<script>&", "'</svg>\N{REPLACEMENT CHARACTER}"]


def test_many_items_are_cut_and_that_is_said(tmp_path: Path) -> None:
    data = make_csv(1, items=ITEMS_DRAWN_MAX + 3, rows=5_000)
    picture = draw(data, tmp_path / "r.svg")
    assert len(list(picture.iter(f"{SVG}circle"))) == ITEMS_DRAWN_MAX
    assert "3 more items are not drawn" in list_texts(picture, "muted")


def test_equal_scores_are_drawn(tmp_path: Path) -> None:
    assert len(list(draw(b"p,a,b,0.5\n", tmp_path / "r.svg", "--method", "borda").iter(f"{SVG}circle"))) == 2


@pytest.mark.parametrize("place", [".", "/nonexistent/r.svg", "\0"])
def test_a_picture_that_cannot_be_written(place: str) -> None:
    ran = rank(CSV, "--plot", place)
    assert (ran.code, ran.out) == (3, "")
    assert "cannot write" in ran.err


# -- as a process ------------------------------------------------------------------------------------


def test_as_a_process(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_bytes(CSV)
    ran = run_process("rank", str(path), "--json")
    assert ran.code == 0
    assert ran.out == rank(CSV, "--json").out


def test_long_reading_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarm.cli.rank_file.PROGRESS_S", -1.0)
    assert "· read 6 comparisons" in rank(CSV).err
