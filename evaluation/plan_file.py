"""Plans as TOML: unknown keys are errors that suggest the nearest known one, and nothing is guessed."""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from consensus.errors import ConfigError
from consensus.genesis import SEATS_MAX, SEATS_MIN
from consensus.question import CALLS_MAX, CALLS_MIN, TEMPERATURE_MILLI_MAX, TOKENS_MAX
from evaluation.plan import (
    BOOTSTRAP_DEFAULT,
    DIRTY_NAME,
    EXTRANEOUS_KINDS,
    HOSTILE_NAME,
    Member,
    Plan,
    Robustness,
    Seen,
    SeenList,
    Standing,
    SwarmPlan,
    TaskSource,
    get_calls_default,
)
from evaluation.tasks.seen import list_seen
from models.errors import ModelError
from models.judges.strategy import AUTOMATIC, parse_strategy
from models.prompts import DEFAULT_MAX_TOKENS, DEFAULT_TEMPERATURE_MILLI
from ranking.canonical import STEPS_MAX

PLAN_SCHEMA: Final = 1
PLAN_ENDING: Final = ".toml"
PLAN_BYTES_MAX: Final = 1 << 20
SEED_MAX: Final = 2**53
COUNT_MAX: Final = 1_000_000
BOOTSTRAP_MAX: Final = 100_000
SIZE_MIN: Final = 2

PLAN_KEYS: Final = (
    "schema", "name", "seed", "tasks", "swarms", "methods", "against", "bootstrap", "budget", "robustness",
    "standing", "exclude",
)  # fmt: skip
TASK_KEYS: Final = ("spec", "count")
SEEN_KEYS: Final = ("spec", "count", "seed", "list")
SWARM_KEYS: Final = (
    "name", "model", "peers", "key_seed", "judge", "calls_per_peer", "steps", "temperature", "max_tokens",
    "members",
)  # fmt: skip
MEMBER_KEYS: Final = ("peer", "model", "temperature")
BUDGET_KEYS: Final = ("calls", "sizes")
ROBUSTNESS_KEYS: Final = ("extraneous", "hostile_answers", "hostile_judges")
STANDING_KEYS: Final = ("gold_every",)
GOLD_EVERY_MAX: Final = 10_000

_Table = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Reader:
    """One table of the file: values by key, checked as they are taken."""

    table: _Table
    path: str
    known: Sequence[str]

    def __post_init__(self) -> None:
        for key in self.table:
            if key not in self.known:
                near = get_close_matches(key, self.known, n=1, cutoff=0.0)
                raise ConfigError(
                    f"{self.name(key)}: there is no such key",
                    remedy=f"did you mean {near[0]!r}? known: {', '.join(self.known)}",
                )

    def name(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def fail(self, key: str, expected: str) -> ConfigError:
        got = repr(self.table[key]) if key in self.table else "nothing"
        return ConfigError(f"{self.name(key)}: got {got}, expected {expected}", remedy=f"mend {key}")

    def get_text(self, key: str, default: str | None = None) -> str:
        value = self.table.get(key, default)
        if not isinstance(value, str) or not value.strip():
            raise self.fail(key, "a text")
        return value

    def get_integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        value = self.table.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.fail(key, f"a whole number from {low} to {high}")
        return value

    def get_milli(self, key: str, high: int, default: int) -> int:
        value = self.table.get(key, default / 1_000)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value * 1_000 <= high:
            raise self.fail(key, f"a number from 0 to {high / 1_000:g}")
        return round(value * 1_000)

    def get_texts(self, key: str) -> tuple[str, ...]:
        value = self.table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.fail(key, "a list of texts")
        return tuple(value)

    def get_integers(self, key: str, low: int, high: int) -> tuple[int, ...]:
        value = self.table.get(key, [])
        is_list = isinstance(value, list) and all(type(item) is int and low <= item <= high for item in value)
        if not is_list or not isinstance(value, list):
            raise self.fail(key, f"a list of whole numbers from {low} to {high}")
        return tuple(sorted(dict.fromkeys(value)))

    def get_tables(self, key: str, known: Sequence[str]) -> list["_Reader"]:
        value = self.table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.fail(key, f"tables, each under [[{self.name(key)}]]")
        return [_Reader(item, f"{self.name(key)}[{place}]", known) for place, item in enumerate(value)]

    def get_table(self, key: str, known: Sequence[str]) -> "_Reader":
        value = self.table.get(key, {})
        if not isinstance(value, dict):
            raise self.fail(key, f"a table, [{self.name(key)}]")
        return _Reader(value, self.name(key), known)


def list_shipped() -> tuple[str, ...]:
    """Return the names of the plans that come with the program."""
    found = [entry.name for entry in files("evaluation").iterdir() if entry.name.endswith(PLAN_ENDING)]
    return tuple(sorted(name.removesuffix(PLAN_ENDING) for name in found))


def load_plan(name: str) -> tuple[Plan, bytes]:
    """Read a plan.

    Args:
        name: A file, or the name of a plan that comes with the program; a file goes first.

    Returns:
        The plan, and the exact bytes it was read from.

    Raises:
        ConfigError: The file cannot be read, or is no plan; the message says which key.
    """
    shipped = list_shipped()
    path: Traversable = Path(name)
    if not path.is_file() and name in shipped:
        path = files("evaluation").joinpath(name + PLAN_ENDING)
    try:
        with path.open("rb") as file:
            data = file.read(PLAN_BYTES_MAX + 1)
    except OSError as exc:
        raise ConfigError(
            f"cannot read the plan {name} ({exc.strerror})",
            remedy=f"name a file, or one that comes with the program: {', '.join(shipped)}",
        ) from exc
    if len(data) > PLAN_BYTES_MAX:
        raise ConfigError(
            f"{name} has more than {PLAN_BYTES_MAX} bytes, the most a plan has", remedy="shorten it"
        )
    return parse_plan(data, origin=name), data


def parse_plan(data: bytes, *, origin: str) -> Plan:
    """Make a plan of the bytes of a TOML file.

    Args:
        data: UTF-8.
        origin: Where they come from, for messages.

    Raises:
        ConfigError: They are no plan; the message says which key, what it was and what it may be.
    """
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (
        ValueError,
        RecursionError,
    ) as exc:  # UnicodeDecodeError and TOMLDecodeError are values gone wrong
        raise ConfigError(f"{origin} is no TOML: {exc}", remedy="mend that line") from exc
    try:
        return _read_plan(_Reader(document, "", PLAN_KEYS))
    except ConfigError as exc:
        raise ConfigError(f"{origin}: {exc.message}", remedy=exc.remedy) from exc


def compute_plan_digest(data: bytes) -> str:
    """Return the SHA-256 of a plan's exact bytes, as hex."""
    return hashlib.sha256(data).hexdigest()


def _read_plan(reader: _Reader) -> Plan:
    reader.get_integer("schema", PLAN_SCHEMA, PLAN_SCHEMA)
    seed = reader.get_integer("seed", 0, SEED_MAX, 0)
    tasks = tuple(
        TaskSource(spec=one.get_text("spec"), count=one.get_integer("count", 1, COUNT_MAX))
        for one in reader.get_tables("tasks", TASK_KEYS)
    )
    swarms = tuple(_read_swarm(one, seed) for one in reader.get_tables("swarms", SWARM_KEYS))
    if not tasks or not swarms:
        missing = "[[swarms]]" if tasks else "[[tasks]]"
        raise ConfigError(f"there is no {missing}", remedy=f"add at least one {missing} table")
    names = [swarm.name for swarm in swarms]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two swarms are called {name!r}", remedy="give each a name of its own")
    limits = reader.get_table("budget", BUDGET_KEYS)
    return Plan(
        name=reader.get_text("name"),
        seed=seed,
        tasks=tasks,
        swarms=swarms,
        methods=reader.get_texts("methods"),
        against=reader.get_text("against", "majority"),
        bootstrap=reader.get_integer("bootstrap", 1, BOOTSTRAP_MAX, BOOTSTRAP_DEFAULT),
        budgets=limits.get_integers("calls", CALLS_MIN, CALLS_MAX),
        sizes=limits.get_integers("sizes", SIZE_MIN, SEATS_MAX),
        robustness=_read_robustness(reader, swarms) if "robustness" in reader.table else None,
        standing=_read_standing(reader) if "standing" in reader.table else None,
        seen=tuple(_read_seen(one) for one in reader.get_tables("exclude", SEEN_KEYS)),
    )


def _read_seen(reader: _Reader) -> Seen | SeenList:
    if "list" in reader.table:
        name = reader.get_text("list")
        if len(reader.table) > 1 or name not in list_seen():
            raise reader.fail("list", f"one of {', '.join(list_seen())}, and nothing beside it")
        return SeenList(name=name)
    return Seen(
        spec=reader.get_text("spec"),
        count=reader.get_integer("count", 1, COUNT_MAX),
        seed=reader.get_integer("seed", 0, SEED_MAX),
    )


def _read_robustness(reader: _Reader, swarms: Sequence[SwarmPlan]) -> Robustness:
    table = reader.get_table("robustness", ROBUSTNESS_KEYS)
    kinds = tuple(dict.fromkeys(table.get_texts("extraneous")))
    unknown = next((kind for kind in kinds if kind not in EXTRANEOUS_KINDS), None)
    if unknown is not None:
        near = get_close_matches(unknown, EXTRANEOUS_KINDS, n=1, cutoff=0.0)
        raise ConfigError(
            f"{table.name('extraneous')}: there are no texts of the kind {unknown!r}",
            remedy=f"did you mean {near[0]!r}? known: {', '.join(EXTRANEOUS_KINDS)}",
        )
    names = [swarm.name for swarm in swarms]
    taken = next(
        (
            one.format(name)
            for name in names
            for one in (DIRTY_NAME, HOSTILE_NAME)
            if one.format(name) in names
        ),
        None,
    )
    if taken is not None:
        raise ConfigError(f"a swarm is called {taken!r}, which tables need", remedy="give it another name")
    # Against a swarm that is hostile to the last peer there is nothing to measure.
    most = min(swarm.peers for swarm in swarms) - 1
    found = Robustness(
        extraneous=kinds,
        hostile_answers=table.get_integer("hostile_answers", 0, most, 0),
        hostile_judges=table.get_integers("hostile_judges", 1, most),
    )
    if found == Robustness():
        raise ConfigError(
            "robustness: nothing is to be withstood", remedy=f"give one of {', '.join(ROBUSTNESS_KEYS)}"
        )
    return found


def _read_standing(reader: _Reader) -> Standing:
    table = reader.get_table("standing", STANDING_KEYS)
    return Standing(gold_every=table.get_integer("gold_every", 0, GOLD_EVERY_MAX, 0))


def _read_swarm(reader: _Reader, seed: int) -> SwarmPlan:
    peers = reader.get_integer("peers", SEATS_MIN, SEATS_MAX)
    judge = reader.get_text("judge", AUTOMATIC)
    if judge != AUTOMATIC:
        try:
            parse_strategy(judge)
        except ModelError as exc:
            raise ConfigError(f"{reader.name('judge')}: {exc.message}", remedy=exc.remedy) from exc
    members = tuple(_read_member(one, peers) for one in reader.get_tables("members", MEMBER_KEYS))
    places = [member.peer for member in members]
    if len(places) != len(dict.fromkeys(places)):
        raise ConfigError(f"{reader.path}.members: a peer stands there twice", remedy="name each peer once")
    return SwarmPlan(
        name=reader.get_text("name"),
        model=reader.get_text("model"),
        peers=peers,
        key_seed=reader.get_text("key_seed", str(seed)),
        judge=judge,
        calls_per_peer=reader.get_integer("calls_per_peer", CALLS_MIN, CALLS_MAX, get_calls_default(peers)),
        steps=reader.get_integer("steps", 1, STEPS_MAX, STEPS_MAX),
        temperature_milli=reader.get_milli("temperature", TEMPERATURE_MILLI_MAX, DEFAULT_TEMPERATURE_MILLI),
        tokens_max=reader.get_integer("max_tokens", 1, TOKENS_MAX, DEFAULT_MAX_TOKENS),
        members=tuple(sorted(members, key=lambda member: member.peer)),
    )


def _read_member(reader: _Reader, peers: int) -> Member:
    has_temperature = "temperature" in reader.table
    return Member(
        peer=reader.get_integer("peer", 0, peers - 1),
        model=reader.get_text("model") if "model" in reader.table else None,
        temperature_milli=reader.get_milli("temperature", TEMPERATURE_MILLI_MAX, 0)
        if has_temperature
        else None,
    )
