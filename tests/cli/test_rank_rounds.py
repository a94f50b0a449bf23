"""`peerage rank --rounds`: lines in, lines out, a memory between them, and bad lines that leave no trace."""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy

import pytest

from ranking.baselines import METHODS as FACTORIES
from ranking.rounds import Round, Verdict
from swarm.cli import rank_lines
from swarm.cli.rank_methods import BASELINES, METHODS
from tests.cli.console import Json, Ran, Value, run, run_process

FAST = "crowd-bt"  # a baseline with a memory


def make_line(name: str = "r1", **changes: Value) -> Json:
    line: Json = {
        "round": name,
        "seed": "5eed",
        "candidates": [
            {"id": "a", "authors": ["p1", "p4"]},
            {"id": "b", "authors": ["p2"]},
            {"id": "c", "authors": ["p3"]},
        ],
        "comparisons": [
            {"judge": "p2", "left": "a", "right": "c", "outcome": 1},
            {"judge": "p3", "left": "b", "right": "a", "outcome": 0.1},
            {"judge": "p9", "left": "c", "right": "b", "outcome": 0.4},
            {"judge": "p9", "left": "a", "right": "b", "outcome": 0.9},
        ],
        "truth": None,
    }
    return line | changes


def make_game(seed: int, rounds: int, peers: int = 5) -> list[Json]:
    """Rounds of as many answers as peers; answer 0 is best; p4 lies; every third round is gold."""
    source = random.Random(seed)
    lines = []
    for number in range(rounds):
        comparisons: list[Value] = []
        for judge in range(peers):
            for _ in range(4):
                left, right = source.sample([index for index in range(peers) if index != judge], 2)
                is_left = (source.random() < 0.8) == (left < right)
                outcome = 0.9 if is_left != (judge == 4) else 0.1
                comparisons.append(
                    {"judge": f"p{judge}", "left": f"c{left}", "right": f"c{right}", "outcome": outcome}
                )
        lines.append(
            make_line(
                f"r{number}",
                seed=f"{number:04x}",
                candidates=[{"id": f"c{index}", "authors": [f"p{index}"]} for index in range(peers)],
                comparisons=comparisons,
                truth={"correct": ["c0"]} if number % 3 == 2 else None,
            )
        )
    return lines


def encode(*lines: Json | bytes) -> bytes:
    return b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)


def rank(*lines: Json | bytes, options: tuple[str, ...] = ("--method", FAST)) -> Ran:
    return run("rank", "--rounds", *options, stdin=encode(*lines))


def read(ran: Ran) -> list[Json]:
    said = [json.loads(line) for line in ran.out.splitlines()]
    assert all(isinstance(one, dict) for one in said)
    return said


# -- what is said ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_every_method_ranks_a_line_in_the_promised_form(method: str) -> None:
    ran = rank(make_line(), options=("--method", method))
    assert (ran.code, ran.err) == (0, "")
    (said,) = read(ran)
    assert list(said) == ["round", "ranking", "flip_certificate", "weights"]
    ranking, weights = said["ranking"], said["weights"]
    assert isinstance(ranking, list)
    assert isinstance(weights, dict)
    assert said["round"] == "r1"
    assert {one["id"] for one in ranking if isinstance(one, dict)} == {"a", "b", "c"}
    assert [sorted(one) for one in ranking if isinstance(one, dict)] == [["id", "p_best", "strength"]] * 3
    assert list(weights) == ["p1", "p2", "p3", "p4", "p9"]
    best = ranking[0]
    assert isinstance(best, dict)
    assert best["id"] == "a", "most authors, most wins"
    assert (best["p_best"] is None) == (method != "ours")


def test_ours_is_the_default_and_canonical_its_engine() -> None:
    lines = make_game(1, 4)
    default = rank(*lines, options=())
    assert default == rank(*lines, options=("--method", "ours", "--engine", "canonical"))
    assert default.out != rank(*lines).out


def test_the_float_engine_says_nearly_the_same() -> None:
    lines = make_game(1, 8)
    exact, near = read(rank(*lines, options=())), read(rank(*lines, options=("--engine", "float")))
    assert exact != near
    for one, other in zip(exact, near, strict=True):
        weights, others = one["weights"], other["weights"]
        assert isinstance(weights, dict)
        assert isinstance(others, dict)
        assert list(weights) == list(others)
        assert [float(str(value)) for value in others.values()] == pytest.approx(
            [float(str(value)) for value in weights.values()], abs=0.02
        )


def test_the_state_is_that_of_the_ranker() -> None:
    lines = make_game(2, 12)
    said = read(rank(*lines))
    ranker = FACTORIES[FAST]()
    for line, one in zip(lines, said, strict=True):
        comparisons = line["comparisons"]
        assert isinstance(comparisons, list)
        verdicts = tuple(
            Verdict(
                int(str(c["judge"])[1]),
                int(str(c["left"])[1]),
                int(str(c["right"])[1]),
                float(str(c["outcome"])),
            )
            for c in sorted(comparisons, key=str)
            if isinstance(c, dict)
        )
        merged: dict[tuple[int, int, int], list[float]] = {}
        for v in verdicts:
            merged.setdefault((v.judge, v.left, v.right), []).append(v.outcome)
        round_ = Round(
            seed=bytes.fromhex(str(line["seed"])),
            authors=tuple((peer,) for peer in range(5)),
            verdicts=tuple(Verdict(*key, sum(values) / len(values)) for key, values in merged.items()),
        )
        expected = ranker.rank(round_)
        ranking = one["ranking"]
        assert isinstance(ranking, list)
        assert [int(str(c["id"])[1]) for c in ranking if isinstance(c, dict)] == list(expected.order)
        assert one["weights"] == {f"p{peer}": weight for peer, weight in expected.weights.items()}
        ranker.learn(round_, (0,) if line["truth"] else None)
    last = said[-1]["weights"]
    assert isinstance(last, dict)
    assert last["p4"] == min(last.values()), "the liar is found out"  # type: ignore[type-var]


def test_truth_moves_later_rounds_and_not_its_own() -> None:
    options = ("--method", "weighted-vote")
    gold, live = make_line("g", truth={"correct": ["b"]}), make_line("g")
    first, second = (
        read(rank(gold, make_line(), options=options)),
        read(rank(live, make_line(), options=options)),
    )
    assert first[0] == second[0]
    assert first[1] != second[1]
    nothing_right = read(rank(make_line("g", truth={"correct": []}), make_line(), options=options))
    assert nothing_right[1] not in (first[1], second[1])


@pytest.mark.parametrize("options", [(), ("--engine", "float"), ("--method", FAST), ("--method", "fortytwo")])
def test_the_order_within_lists_does_not_matter(options: tuple[str, ...]) -> None:
    lines = make_game(3, 6)
    mixed = deepcopy(lines)
    source = random.Random(4)
    for line in mixed:
        for part in (line["candidates"], line["comparisons"]):
            assert isinstance(part, list)
            source.shuffle(part)
    assert rank(*lines, options=options) == rank(*mixed, options=options)


def test_ids_are_only_names() -> None:
    line = make_line("émile \u202e\n", candidates=[{"id": "\u0000", "authors": ["\u0007"]}], comparisons=[])
    (said,) = read(rank(line))
    assert said["round"] == "émile \u202e\n"
    assert said["weights"] == {"\u0007": 4 / 6}


@pytest.mark.parametrize("seed", ["0", "abc", "0ABC", "f" * rank_lines.SEED_DIGITS_MAX])
def test_a_seed_is_any_hexadecimal_number(seed: str) -> None:
    assert rank(make_line(seed=seed)).code == 0


def test_a_seed_breaks_ties() -> None:
    candidates: list[Value] = [{"id": name, "authors": [f"p{name}"]} for name in "abc"]
    lines = [make_line(candidates=candidates, comparisons=[], seed=f"{seed:x}") for seed in range(40)]
    firsts = []
    for said in read(rank(*lines, options=("--method", "borda"))):
        assert isinstance(said["ranking"], list)
        firsts.append(str(said["ranking"][0]))
    assert len(set(firsts)) == 3


def test_blank_lines_and_a_missing_last_line_end_are_fine() -> None:
    ran = run("rank", "--rounds", "--method", FAST, stdin=b"\n  \r\n" + encode(make_line()).rstrip(b"\n"))
    assert (ran.code, len(read(ran))) == (0, 1)
    assert run("rank", "--rounds") == Ran(0, "", "")


# -- what does not count -----------------------------------------------------------------------------


def test_votes_on_an_answer_of_ones_own_do_not_count_and_are_counted() -> None:
    line = make_line()
    assert isinstance(line["comparisons"], list)
    line["comparisons"] += [{"judge": "p2", "left": "b", "right": "a", "outcome": 1}] * 2
    (said,) = read(rank(line))
    (clean,) = read(rank(make_line()))
    assert said.pop("ignored") == {"self_votes": 2}
    assert said == clean


def test_an_answer_given_with_others_may_be_judged() -> None:
    line = make_line()
    assert isinstance(line["comparisons"], list)
    line["comparisons"].append({"judge": "p4", "left": "b", "right": "a", "outcome": 1})
    (said,) = read(rank(line))
    assert "ignored" not in said
    assert said != read(rank(make_line()))[0]


def test_a_repeated_question_counts_once_with_the_mean_and_the_other_order_counts_too() -> None:
    again: Json = {"judge": "p9", "left": "a", "right": "b", "outcome": 0.5}
    swapped: Json = {"judge": "p9", "left": "b", "right": "a", "outcome": 0.1}
    base = make_line()
    assert isinstance(base["comparisons"], list)
    doubled = make_line(comparisons=[*base["comparisons"], again])
    (said,) = read(rank(doubled, options=("--method", "borda")))
    assert said["ignored"] == {"duplicates": 1}
    mean = deepcopy(base)
    assert isinstance(mean["comparisons"], list)
    mean["comparisons"][3] = {**again, "outcome": 0.7}
    (expected,) = read(rank(mean, options=("--method", "borda")))
    assert said["ranking"] == expected["ranking"]
    both = make_line(comparisons=[*base["comparisons"], swapped])
    (other,) = read(rank(both, options=("--method", "crowd-bt")))
    assert "ignored" not in other
    assert other["ranking"] != read(rank(base, options=("--method", "crowd-bt")))[0]["ranking"]


# -- bad lines ---------------------------------------------------------------------------------------


def change(path: str, value: Value) -> Callable[[Json], None]:
    """Return a change of the value at a path such as `comparisons.0.outcome`."""

    def apply(line: Json) -> None:
        place: Value = line
        *parents, last = path.split(".")
        for name in parents:
            place = place[int(name)] if isinstance(place, list) else place[name]  # type: ignore[index]
        if isinstance(place, list):
            place[int(last)] = value
        else:
            assert isinstance(place, dict)
            place[last] = value

    return apply


def drop(name: str) -> Callable[[Json], None]:
    def apply(line: Json) -> None:
        del line[name]

    return apply


LONG = "x" * (rank_lines.ID_CHARS_MAX + 1)
BAD: tuple[tuple[Callable[[Json], None], str], ...] = (
    (change("sede", "00"), "'sede' means nothing\n  try: did you mean seed?"),
    (
        change("candidates.0.autors", []),
        "candidates[0]: 'autors' means nothing\n  try: did you mean authors?",
    ),
    (change("comparisons.1.zzz", 1), "comparisons[1]: 'zzz' means nothing\n  try: known: round, seed"),
    *((drop(name), f"{name} is missing") for name in ("round", "seed", "candidates", "comparisons")),
    (change("round", 1), "round: got a whole number, expected text"),
    (change("round", ""), "round: got 0 characters, expected 1 to 256"),
    (change("seed", "xyz"), "seed: got 'xyz', expected 1 to 256 hexadecimal digits"),
    (change("seed", ""), "seed: got '', expected"),
    (change("seed", "ab cd"), "seed: got 'ab cd', expected"),
    (change("seed", "0" * 257), "expected 1 to 256 hexadecimal digits"),
    (change("seed", 7), "seed: got a whole number, expected text"),
    (change("candidates", []), "candidates: got none, expected at least one"),
    (change("candidates", {}), "candidates: got an object, expected a list"),
    (change("candidates.1.id", "a"), "candidates[1].id: got 'a' as in candidates[0]"),
    (change("candidates.1.id", LONG), "candidates[1].id: got 257 characters, expected 1 to 256"),
    (change("candidates.1.id", None), "candidates[1].id: got null, expected text"),
    (change("candidates.1.authors", []), "candidates[1].authors: got none, expected at least one peer"),
    (change("candidates.1.authors", ["p1"]), "candidates[1].authors: got 'p1', who authored 'a' already"),
    (
        change("candidates.0.authors", ["p1", "p1"]),
        "candidates[0].authors: got 'p1', who authored 'a' already",
    ),
    (change("candidates.1.authors", [""]), "candidates[1].authors: got 0 characters"),
    (change("candidates.1.authors", "p2"), "candidates[1].authors: got text, expected a list"),
    (change("comparisons.0.left", "z"), "comparisons[0].left: got 'z', expected a candidate's id"),
    (change("comparisons.2.right", "z"), "comparisons[2].right: got 'z', expected a candidate's id"),
    (change("comparisons.0.right", "a"), "comparisons[0].right: got 'a' on both sides, expected two"),
    (change("comparisons.3.outcome", 1.5), "comparisons[3].outcome: got 1.5, expected 0 to 1"),
    (change("comparisons.3.outcome", -1), "comparisons[3].outcome: got -1.0, expected 0 to 1"),
    (change("comparisons.3.outcome", True), "comparisons[3].outcome: got true or false, expected a number"),
    (change("comparisons.3.outcome", "1"), "comparisons[3].outcome: got text, expected a number"),
    (change("comparisons.3.outcome", None), "comparisons[3].outcome: got null, expected a number"),
    (change("comparisons.3.outcome", float("nan")), "got no JSON"),
    (change("comparisons.3.outcome", float("inf")), "NaN and Infinity are no JSON"),
    (change("comparisons.0.judge", ""), "comparisons[0].judge: got 0 characters"),
    (change("comparisons.0.judge", LONG), "comparisons[0].judge: got 257 characters"),
    (change("truth", True), "truth: got true or false, expected an object or null"),
    (change("truth", {"correct": ["z"]}), "truth.correct: got 'z', expected a candidate's id"),
    (change("truth", {}), "truth: correct is missing"),
    (change("truth", {"correct": "a"}), "truth.correct: got text, expected a list"),
)
BAD_BYTES = (
    (b"{\n", "line 2: got no JSON"),
    (b"[1]\n", "line 2: got a list, expected an object"),
    (b"\xff\n", "line 2: got no JSON"),
    (encode(make_line()).replace(b"r1", b"\xff\xff"), "line 2: got bytes that are not UTF-8"),
    (b"\xef\xbb\xbf" + encode(make_line()), "byte-order mark"),
    (encode(make_line()).replace(b"0.9", b"1e999"), "number out of range"),
    (encode(make_line())[:-9] + b"\n", "line 2: got no JSON"),
)


def assert_refused(ran: Ran, first: Ran, message: str) -> None:
    assert ran.code == 2
    assert ran.out == first.out, "what came before is said, nothing of the bad line"
    assert ran.err.startswith("peerage: line 2: ")
    assert message in ran.err
    assert "Traceback" not in ran.err


@pytest.fixture(scope="module")
def first() -> Ran:
    return rank(make_line("r0"), options=("--method", "borda"))


@pytest.mark.parametrize(("spoil", "message"), BAD, ids=[message for _, message in BAD])
def test_a_bad_line_is_named_and_nothing_is_said_of_it(
    spoil: Callable[[Json], None], message: str, first: Ran
) -> None:
    line = make_line()
    spoil(line)
    assert_refused(rank(make_line("r0"), line, options=("--method", "borda")), first, message)


@pytest.mark.parametrize(("data", "message"), BAD_BYTES, ids=[message for _, message in BAD_BYTES])
def test_bytes_that_are_no_line(data: bytes, message: str, first: Ran) -> None:
    ran = rank(make_line("r0"), data, make_line("r2"), options=("--method", "borda"))
    assert_refused(ran, first, message)


@pytest.mark.parametrize(
    ("limit", "most", "message"),
    [
        ("CANDIDATES_MAX", 3, "candidates: got 3, expected at most 2"),
        ("COMPARISONS_MAX", 4, "comparisons: got 4, expected at most 3"),
        ("PEERS_MAX", 5, "peers: got 5, expected at most 4"),
        ("PEERS_TOTAL_MAX", 5, "peers: got 5 over all lines, expected at most 4"),
    ],
)
def test_limits_are_named(limit: str, most: int, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_lines, limit, most)
    assert rank(make_line()).code == 0
    monkeypatch.setattr(rank_lines, limit, most - 1)
    ran = rank(make_line())
    assert (ran.code, ran.out) == (2, "")
    assert f"line 1: {message}" in ran.err


def test_a_line_too_long_is_refused_and_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    long = encode(make_line("x" * 200))
    monkeypatch.setattr("swarm.cli.rank_rounds.LINE_BYTES_MAX", len(long))
    assert rank(long).code == 0
    monkeypatch.setattr("swarm.cli.rank_rounds.LINE_BYTES_MAX", len(long) - 1)
    ran = rank(long, make_line("r2"), options=("--method", FAST, "--keep-going"))
    assert ran.code == 2
    assert f"line 1: got more than {len(long) - 1} bytes" in ran.err
    assert [said["round"] for said in read(ran)] == ["r2"]


@pytest.mark.parametrize("options", [(), ("--engine", "float"), ("--method", FAST)])
def test_a_bad_line_leaves_the_state_untouched(options: tuple[str, ...]) -> None:
    good = make_game(5, 6)
    lines: list[Json | bytes] = []
    for line in good:
        bad = deepcopy(line)
        bad["candidates"] = [{"id": "c0", "authors": ["stranger"]}]  # and comparisons name c1 and more
        lines += [bad, b"no JSON\n", line]
    ran = rank(*lines, options=(*options, "--keep-going"))
    assert ran.code == 2
    assert ran.out == rank(*good, options=options).out
    assert ran.err.count("peerage: line ") == 12


def test_what_a_method_refuses_is_a_bad_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object, __: Round) -> None:
        raise ValueError("got 3 candidates, expected fewer")

    monkeypatch.setattr("ranking.baselines._CrowdBt.rank", refuse)
    ran = rank(make_line())
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "peerage: line 1: got 3 candidates, expected fewer\n"


def test_hostile_ids_do_not_reach_the_terminal() -> None:
    ran = rank(make_line(candidates=[{"id": "a", "authors": []}, {"id": "\x1b[2J", "authors": []}]))
    assert "\x1b" not in ran.err
    ran = rank(make_line(comparisons=[{"judge": "p", "left": "\x1b[2J", "right": "a", "outcome": 1}]))
    assert (ran.code, "\x1b" in ran.err) == (2, False)


# -- explanations ------------------------------------------------------------------------------------


def test_a_weight_is_explained_after_the_last_line() -> None:
    lines = make_game(8, 12)
    ran = rank(*lines, options=("--explain", "p4", "--explain", "p0"))
    assert ran.code == 0
    assert ran.out == rank(*lines, options=()).out
    told, *rest = ran.err.split("\np0 weighs ")
    assert len(rest) == 1
    heading, *table = told.splitlines()
    assert heading.startswith("p4 weighs ")
    assert heading.endswith(" beside p0, p1, p2, p3")
    rows = [row.split() for row in table if row.split()[0].startswith("r") and row.split()[0] != "round"]
    assert [row[0] for row in rows] == [f"r{number}" for number in range(12)]
    said = read(ran)
    for row, line in zip(rows, said, strict=True):
        weights = line["weights"]
        assert isinstance(weights, dict)
        assert float(row[1]) == pytest.approx(float(str(weights["p4"])), abs=0.005)
    assert ", others " in told, "verdicts that the others do not share, by the candidates' names"
    assert " > c" in told


def test_a_peer_in_no_round_cannot_be_explained() -> None:
    ran = rank(make_line(), options=("--explain", "p7"))
    assert (ran.code, len(read(ran))) == (2, 1)
    assert "--explain names 'p7', who is in no round\n  try: known: 'p1', 'p2'" in ran.err
    assert rank(options=("--explain", "p7")).code == 2


def test_only_so_many_rounds_are_kept_to_be_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarm.cli.rank_explain.ROUNDS_KEPT_MAX", 2)
    assert rank(*make_game(1, 2), options=("--explain", "p1")).code == 0
    ran = rank(*make_game(1, 3), options=("--explain", "p1"))
    assert (ran.code, len(read(ran))) == (2, 2)
    assert "--explain keeps at most 2 rounds" in ran.err
    assert rank(*make_game(1, 3), options=()).code == 0


# -- the command -------------------------------------------------------------------------------------


def test_engines_are_for_ours() -> None:
    ran = rank(make_line(), options=("--method", "borda", "--engine", "float"))
    assert (ran.code, len(read(ran))) == (0, 1)
    assert "--engine changes nothing here" in ran.err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "give a FILE of comparisons, or --rounds"),
        (("x.csv", "--rounds"), "not both"),
        (("--rounds", "--intervals"), "--intervals goes with a FILE only"),
        (
            ("x.csv", "--intervals", "--method", "borda"),
            "--intervals goes with --method ours or plain-bt only",
        ),
        (("--rounds", "--plot", "x.svg"), "--plot goes with a FILE only"),
        (("x.csv", "--engine", "float"), "--engine goes with --rounds only"),
        (("x.csv", "--explain", "p1"), "--explain goes with --rounds only"),
        (("--rounds", "--explain", "p1", "--method", "borda"), "--explain goes with --method ours only"),
        (("x.csv", "--keep-going"), "--keep-going goes with --rounds only"),
        (("--rounds", "--method", "bogus"), "'bogus' is not one of"),
        (("--rounds", "--engine", "gpu"), "'gpu' is not one of"),
    ],
)
def test_options_of_the_wrong_form_are_usage_errors(args: tuple[str, ...], message: str) -> None:
    ran = run("rank", *args)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_the_registry_names_every_baseline() -> None:
    assert tuple(FACTORIES) == BASELINES


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "swarm.cli.main", "rank", "--rounds", "--method", FAST]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        yield running
        running.kill()


def test_each_line_is_answered_before_the_next_is_sent(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    lines = make_game(6, 3)
    together = rank(*lines).out.splitlines(keepends=True)
    for line, expected in zip(lines, together, strict=True):
        process.stdin.write(encode(line))
        process.stdin.flush()
        assert process.stdout.readline().decode() == expected
    process.stdin.write(b"{}\n")
    process.stdin.flush()
    assert process.wait(timeout=60) == 2, "it ends at the bad line, though stdin is still open"


def test_a_reader_that_leaves_ends_it_quietly(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(encode(make_line()))
    process.stdin.flush()
    assert process.stdout.readline()
    process.stdout.close()
    process.stdin.write(encode(make_line()))
    process.stdin.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == b""


def test_as_a_process() -> None:
    ran = run_process("rank", "--rounds", "--method", FAST, stdin=encode(*make_game(7, 2)))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == rank(*make_game(7, 2)).out
