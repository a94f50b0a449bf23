import re
from pathlib import Path

import pytest

from consensus.errors import ConfigError
from evaluation.plan import Member, Robustness, Seen, SeenList, Standing, reseed, shrink
from evaluation.plan_file import PLAN_BYTES_MAX, compute_plan_digest, list_shipped, load_plan, parse_plan
from evaluation.running import draw_plan_tasks
from evaluation.tasks import load_tasks
from evaluation.tasks.seen import read_seen

ROOT = Path(__file__).parents[2]
PLAN = """
schema = 1
name = "two"
seed = 7
methods = ["majority", "ours"]
against = "single"
bootstrap = 500
[[tasks]]
spec = "gold:units:1"
count = 30
[[swarms]]
name = "a"
model = "scripted"
peers = 7
judge = "letters"
temperature = 0.5
max_tokens = 32
[[swarms.members]]
peer = 6
model = "scripted:accuracy=1"
[[swarms.members]]
peer = 2
temperature = 0
[[swarms]]
name = "b"
model = "scripted"
peers = 4
key_seed = "z"
calls_per_peer = 8
steps = 2
[budget]
calls = [10, 4, 4]
sizes = [3, 7]
"""


def test_a_plan_is_read_with_its_defaults() -> None:
    plan = parse_plan(PLAN.encode(), origin="p")
    first, second = plan.swarms
    assert (plan.name, plan.seed, plan.against, plan.bootstrap) == ("two", 7, "single", 500)
    assert (plan.budgets, plan.sizes) == ((4, 10), (3, 7))
    assert first.members == (Member(peer=2, temperature_milli=0), Member(peer=6, model="scripted:accuracy=1"))
    assert first.get_models() == ("scripted",) * 6 + ("scripted:accuracy=1",)
    assert first.get_temperatures_milli() == (500, 500, 0, 500, 500, 500, 500)
    assert (first.calls_per_peer, first.steps, first.key_seed, first.tokens_max) == (6, 3, "7", 32)
    assert (second.calls_per_peer, second.steps, second.key_seed, second.judge) == (8, 2, "z", "auto")


@pytest.mark.parametrize("name", ["quick", "embedded", "elsewhere", "robust", "mixed"])
def test_the_shipped_plans_can_be_read(name: str) -> None:
    plan, data = load_plan(str(ROOT / "evaluation" / f"{name}.toml"))
    assert plan.swarms
    assert len(compute_plan_digest(data)) == 64
    assert load_plan(name) == (plan, data)
    assert name in list_shipped()


def test_the_plan_in_the_guide_can_be_read() -> None:
    page = (ROOT / "docs" / "evaluation.md").read_text()
    (block,) = re.findall(r"```toml\n(.*?)```", page, re.S)
    plan = parse_plan(block.encode(), origin="docs/evaluation.md")
    assert plan.swarms[0].members == (
        Member(peer=6, model="openai:qwen3-8b@http://127.0.0.1:8000/v1", temperature_milli=700),
    )


def test_a_file_goes_before_a_shipped_plan_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quick").write_text(PLAN)
    assert load_plan("quick")[0].name == "two"


def test_quick_shrinks_counts_and_keeps_the_shape() -> None:
    plan = parse_plan(PLAN.encode(), origin="p")
    small = shrink(plan)
    assert [one.count for one in small.tasks] == [4]
    assert small.bootstrap == 200
    assert small.swarms == plan.swarms


def test_another_seed_draws_anew_and_keeps_the_swarms() -> None:
    plan = parse_plan(PLAN.encode(), origin="p")
    other = reseed(plan, 8)
    assert other.swarms == plan.swarms
    assert other.seed_bytes != plan.seed_bytes


@pytest.mark.parametrize(
    ("old", "new", "said", "remedy"),
    [
        ("schema = 1", "schema = 2", "schema: got 2", ""),
        ("schema = 1", "", "schema: got nothing", ""),
        ("bootstrap", "bootstraps", "bootstraps: there is no such key", "did you mean 'bootstrap'"),
        ("max_tokens", "max_token", "swarms[0].max_token", "did you mean 'max_tokens'"),
        ("calls = [10", "cals = [10", "budget.cals", "did you mean 'calls'"),
        ("peer = 6", "pear = 6", "swarms[0].members[0].pear", "did you mean 'peer'"),
        ("peer = 6", "peer = 7", "members[0].peer: got 7, expected a whole number from 0 to 6", ""),
        ("peer = 6", "peer = 2", "a peer stands there twice", ""),
        ("peers = 7", "peers = 3", "peers: got 3", ""),
        ("peers = 7", "peers = true", "peers: got True", ""),
        ("count = 30", "count = 0", "count: got 0", ""),
        ("calls = [10", "calls = [3", "budget.calls", ""),
        ("sizes = [3", "sizes = ['3'", "budget.sizes", ""),
        ('judge = "letters"', 'judge = "letter"', "no judge is called 'letter'", "did you mean 'letters'"),
        ("temperature = 0.5", "temperature = -1", "temperature: got -1", ""),
        ('name = "b"', 'name = "a"', "two swarms are called 'a'", ""),
        ('name = "two"', 'name = " "', "name: got ' '", ""),
        ("[budget]", "[[budget]]", "budget: got", ""),
        ('methods = ["majority", "ours"]', "methods = [1]", "methods: got [1]", ""),
        ("[[tasks]]", "[tasks]", "tables, each under [[tasks]]", ""),
        ("seed = 7", "seed = ", "is no TOML", ""),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, said: str, remedy: str) -> None:
    assert old in PLAN
    with pytest.raises(ConfigError) as caught:
        parse_plan(PLAN.replace(old, new, 1).encode(), origin="my.toml")
    assert caught.value.message.startswith("my.toml")
    assert said in caught.value.message
    assert remedy in caught.value.remedy


ROBUST = (
    PLAN
    + """
[robustness]
extraneous = ["orders", "facts", "orders"]
hostile_answers = 2
hostile_judges = [3, 1]
[standing]
gold_every = 5
"""
)


def test_robustness_and_standing_are_read() -> None:
    plan = parse_plan(ROBUST.encode(), origin="p")
    assert plan.robustness == Robustness(
        extraneous=("orders", "facts"), hostile_answers=2, hostile_judges=(1, 3)
    )
    assert plan.standing == Standing(gold_every=5)
    bare = parse_plan((PLAN + "[standing]").encode(), origin="p")
    assert (bare.robustness, bare.standing) == (None, Standing())
    assert parse_plan(PLAN.encode(), origin="p").standing is None
    assert shrink(plan).robustness == plan.robustness


@pytest.mark.parametrize(
    ("old", "new", "said", "remedy"),
    [
        ('"facts"', '"fact"', "robustness.extraneous: there are no texts of the kind 'fact'", "'facts'"),
        ("hostile_judges = [3, 1]", "hostile_judges = [4]", "hostile_judges: got [4]", ""),
        ("hostile_judges = [3, 1]", "hostile_judges = [0]", "hostile_judges: got [0]", ""),
        ("hostile_answers = 2", "hostile_answers = 4", "got 4, expected a whole number from 0 to 3", ""),
        ("hostile_answers", "hostile_answer", "robustness.hostile_answer", "did you mean 'hostile_answers'"),
        ("gold_every", "gold", "standing.gold", "did you mean 'gold_every'"),
        ("gold_every = 5", "gold_every = -1", "gold_every: got -1", ""),
        ("[robustness]", "[[robustness]]", "robustness: got", ""),
        ("[standing]", "[[standing]]", "standing: got", ""),
        ('name = "b"', 'name = "a (hostile answers)"', "'a (hostile answers)', which tables need", ""),
    ],
)
def test_what_is_wrong_with_robustness_is_named(old: str, new: str, said: str, remedy: str) -> None:
    assert old in ROBUST
    with pytest.raises(ConfigError) as caught:
        parse_plan(ROBUST.replace(old, new, 1).encode(), origin="my.toml")
    assert said in caught.value.message
    assert remedy in caught.value.remedy


def test_robustness_that_names_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="nothing is to be withstood"):
        parse_plan((PLAN + "[robustness]").encode(), origin="p")


@pytest.mark.parametrize("missing", ["tasks", "swarms"])
def test_a_plan_without_tasks_or_swarms_is_refused(missing: str) -> None:
    text = "schema = 1\nname = 'x'\n"
    if missing == "swarms":
        text += "[[tasks]]\nspec = 'gold:units:1'\ncount = 1\n"
    with pytest.raises(ConfigError, match=rf"there is no \[\[{missing}\]\]"):
        parse_plan(text.encode(), origin="p")


SEEN = '[[exclude]]\nspec = "gold:units:1"\ncount = 40\nseed = 9\n'


def test_questions_used_before_are_not_drawn_again() -> None:
    plan = parse_plan((PLAN + SEEN).encode(), origin="p")
    assert plan.seen == (Seen(spec="gold:units:1", count=40, seed=9),)
    taught = {task.text for task in load_tasks("gold:units:1", count=40, seed=9)}
    assert not taught & {task.text for task in draw_plan_tasks(plan)}
    same = draw_plan_tasks(parse_plan((PLAN + SEEN.replace("9", "7")).encode(), origin="p"))
    drawn = {task.text for task in draw_plan_tasks(parse_plan(PLAN.encode(), origin="p"))}
    assert len(same) == len(drawn) == 30
    assert not drawn & {task.text for task in same}  # by the plan's own seed they would have come


@pytest.mark.parametrize(
    ("old", "said"),
    [("seed = 9", "exclude[0].seed"), ("count", "exclude[0].cnt"), ("40", "exclude[0].count")],
)
def test_what_is_wrong_with_an_exclusion_is_named(old: str, said: str) -> None:
    new = {"seed = 9": "", "count": "cnt", "40": "0"}[old]
    with pytest.raises(ConfigError) as caught:
        parse_plan((PLAN + SEEN.replace(old, new)).encode(), origin="p")
    assert said in caught.value.message


def test_a_shipped_list_of_seen_questions_is_not_drawn_again() -> None:
    plan = parse_plan((PLAN + '[[exclude]]\nlist = "development"\n').encode(), origin="p")
    assert plan.seen == (SeenList(name="development"),)
    seen = read_seen("development")
    drawn = {task.text for task in draw_plan_tasks(parse_plan(PLAN.encode(), origin="p"))}
    assert drawn & seen, "nothing would have come again"
    assert not {task.text for task in draw_plan_tasks(plan)} & seen


@pytest.mark.parametrize("table", ['list = "none"', "list = 3", 'list = "development"\ncount = 3'])
def test_a_list_that_does_not_exist_or_is_drawn_from_is_refused(table: str) -> None:
    with pytest.raises(ConfigError, match=r"exclude\[0\]\.list: got .*, expected "):
        parse_plan((PLAN + f"[[exclude]]\n{table}\n").encode(), origin="p")
    with pytest.raises(ConfigError, match="no list of seen questions 'none'"):
        read_seen("none")


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ConfigError, match="is no TOML"):
        parse_plan(b"\xff", origin="p")


def test_a_file_that_is_not_there_or_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_plan(str(tmp_path / "none.toml"))
    (tmp_path / "long.toml").write_bytes(b"#" * (PLAN_BYTES_MAX + 1))
    with pytest.raises(ConfigError, match="more than"):
        load_plan(str(tmp_path / "long.toml"))
