from pathlib import Path

import pyarrow.parquet as pq
import pytest

from consensus.errors import ConfigError, StoreError
from evaluation.comparing import compare
from evaluation.directory import RunDirectory, create_directory, open_directory
from evaluation.export import COLUMNS, write_tables
from evaluation.record import PairOutcomes, QuestionRecord, Shown, SwarmRecords
from evaluation.tables import summarise
from tests.evaluation.kit import make_record, make_scores, make_swarm

PLAN = b"""
schema = 1
name = "tables"
bootstrap = 100
[[tasks]]
spec = "gold:units:1"
count = 9
[[swarms]]
name = "five"
model = "scripted"
peers = 5
"""


def make_directory(root: Path, plan: bytes = PLAN) -> RunDirectory:
    return create_directory(root, plan, origin="p", seed=None, is_quick=False, version="0")


def write(directory: RunDirectory, *records: QuestionRecord) -> SwarmRecords:
    one = SwarmRecords(
        swarm=make_swarm(), judge="likelihood", models=("m",) * 5, digests=("0",) * 5, records=records
    )
    write_tables(directory, [one], [summarise(directory.plan, one)[1]])
    return one


RECORD = make_record(
    ["r", "w", "w", "", "r"],
    right=["r"],
    logprobs=[-1.0, None, -2.0, None, -1.0],
    judgements=make_scores(*([-1.0, None],) * 5),
)


def test_tables_hold_everything_and_what_is_unknown_is_null(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "run")
    write(directory, RECORD)
    answers = pq.read_table(directory.tables / "answers.parquet").to_pylist()
    assert len(answers) == 10
    assert [row["class"] for row in answers[:5]] == [0, 1, 1, None, 0]
    assert [row["logprob"] for row in answers[:5]] == [-1.0, None, -2.0, None, -1.0]
    assert answers[3]["problem"] == "the model said nothing"
    judgements = pq.read_table(directory.tables / "judgements.parquet").to_pylist()
    assert len(judgements) == 10
    assert [row["logprob"] for row in judgements[:2]] == [-1.0, None]
    assert {row["right"] for row in judgements} == {None}
    choices = pq.read_table(directory.tables / "choices.parquet").to_pylist()
    ours = next(row for row in choices if row["method"] == "ours")
    assert (ours["source"], ours["missing"]) == ("class", ours["judge_calls"])
    single = next(row for row in choices if row["method"] == "single")
    assert (single["source"], single["text"], single["rightness"]) == (None, None, pytest.approx(0.4))


def test_verdicts_on_pairs_have_their_own_columns(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "run")
    outcomes = PairOutcomes(
        values={Shown(0, 0, 1): 49_152, Shown(0, 1, 0): None},
        tokens={Shown(0, 0, 1): 7, Shown(0, 1, 0): 0},
    )
    write(directory, make_record(["r", "w", "w", "w", "r"], right=["r"], judgements=outcomes))
    rows = pq.read_table(directory.tables / "judgements.parquet").to_pylist()
    assert [(row["left"], row["right"], row["outcome"], row["tokens"]) for row in rows] == [
        (0, 1, 0.75, 7),
        (1, 0, None, 0),
    ]
    assert [row["logprob"] for row in rows] == [None, None]


def test_the_schema_is_fixed_and_the_metadata_name_the_run(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "run")
    write(directory, RECORD)
    for name, columns in COLUMNS.items():
        schema = pq.read_schema(directory.tables / f"{name}.parquet")
        assert schema.names == [column for column, _, _ in columns]
        assert [field.nullable for field in schema] == [may for _, _, may in columns]
        assert schema.metadata[b"peerage.schema"] == b"peerage.evaluation.tables/1"
        assert schema.metadata[b"peerage.plan_digest"] == directory.facts.plan_digest.encode()


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = make_directory(tmp_path / "one"), make_directory(tmp_path / "two")
    for directory in (first, second):
        write(directory, RECORD)
    for name in COLUMNS:
        files = [directory.tables / f"{name}.parquet" for directory in (first, second)]
        assert files[0].read_bytes() == files[1].read_bytes()


# -- comparing ---------------------------------------------------------------------------------------


def make_questions(count: int, *, wins: int) -> list[QuestionRecord]:
    """Make questions of which the majority gets the first few right."""
    return [
        make_record(["r"] * 3 + ["w"] * 2 if i < wins else ["w"] * 3 + ["r"] * 2, right=["r"], key=f"k{i}")
        for i in range(count)
    ]


def test_runs_are_compared_on_the_questions_they_share(tmp_path: Path) -> None:
    first, second = make_directory(tmp_path / "one"), make_directory(tmp_path / "two")
    write(first, *make_questions(12, wins=3))
    write(second, *make_questions(10, wins=7))
    found = compare(first, second)
    (row,) = [row for row in found.rows if row.method == "majority"]
    assert (row.questions, row.first, row.second) == (10, 0.3, 0.7)
    assert row.difference.value == pytest.approx(0.4)
    assert row.difference.low > 0.0
    assert row.mcnemar is not None
    assert (row.mcnemar.better, row.mcnemar.worse) == (4, 0)
    (single,) = [row for row in found.rows if row.method == "single"]
    assert single.mcnemar is None


def test_runs_that_share_nothing_are_refused(tmp_path: Path) -> None:
    first, second = make_directory(tmp_path / "one"), make_directory(tmp_path / "two")
    write(first, *make_questions(3, wins=1))
    write(second, make_record(["r"] * 5, right=["r"], key="other"))
    with pytest.raises(ConfigError, match="share no question"):
        compare(first, second)


def test_two_swarms_of_one_run_are_compared(tmp_path: Path) -> None:
    plan = PLAN + PLAN[PLAN.index(b"[[swarms]]") :].replace(b"five", b"other")
    run = make_directory(tmp_path / "run", plan)
    rows = [
        SwarmRecords(
            swarm=make_swarm(name=name),
            judge="likelihood",
            models=("m",) * 5,
            digests=("0",) * 5,
            records=tuple(make_questions(10, wins=wins)),
        )
        for name, wins in (("five", 3), ("other", 7))
    ]
    write_tables(run, rows, [summarise(run.plan, one)[1] for one in rows])
    found = compare(run, run, swarms=("five", "other"))
    (row,) = [row for row in found.rows if row.method == "majority"]
    assert (row.first_swarm, row.second_swarm, row.first, row.second) == ("five", "other", 0.3, 0.7)
    with pytest.raises(ConfigError, match="has no swarm 'fiv'") as caught:
        compare(run, run, swarms=("five", "fiv"))
    assert "five, other" in caught.value.remedy


def test_a_run_without_tables_cannot_be_compared(tmp_path: Path) -> None:
    first, second = make_directory(tmp_path / "one"), make_directory(tmp_path / "two")
    write(first, *make_questions(3, wins=1))
    with pytest.raises(StoreError, match="cannot read"):
        compare(first, second)
    (second.root / "tables").mkdir()
    (second.root / "tables" / "choices.parquet").write_bytes(b"no table")
    with pytest.raises(StoreError, match="is no table of choices"):
        compare(first, second)


# -- directories -------------------------------------------------------------------------------------


def test_the_same_run_is_found_again_and_another_is_refused(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "run")
    assert make_directory(tmp_path / "run") == directory == open_directory(tmp_path / "run")
    with pytest.raises(ConfigError, match="holds another run"):
        make_directory(tmp_path / "run", PLAN.replace(b"count = 9", b"count = 8"))
    with pytest.raises(ConfigError, match="holds another run"):
        create_directory(tmp_path / "run", PLAN, origin="p", seed=2, is_quick=False, version="0")
    assert open_directory(tmp_path / "run") == directory


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(ConfigError, match="is not empty"):
        make_directory(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_seed_and_quick_are_kept_with_the_run(tmp_path: Path) -> None:
    create_directory(tmp_path / "run", PLAN, origin="p", seed=5, is_quick=True, version="0")
    found = open_directory(tmp_path / "run")
    assert (found.plan.seed, found.plan.tasks[0].count) == (5, 4)


def test_damaged_directories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no evaluation"):
        open_directory(tmp_path)
    directory = make_directory(tmp_path / "run")
    (directory.root / "plan.toml").write_bytes(PLAN + b"# changed\n")
    with pytest.raises(ConfigError, match="is not the plan"):
        open_directory(directory.root)
    (directory.root / "run.json").write_bytes(b"{}")
    with pytest.raises(ConfigError, match="is damaged"):
        open_directory(directory.root)
