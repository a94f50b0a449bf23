"""Every event that a log of schema `peerage.event/1` can hold, and what its fields mean.

docs/events.md prints this table, and tests hold both against the code that writes: an event that is not here
is not written, and one that is here is. A reader passes over what it does not know (docs/events.md, "What
may change").
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from consensus.decision import Status
from consensus.evidence import Fault
from consensus.phases import Phase
from swarm.edge.events import GAP_EVENT


class FieldType(Enum):
    """What a field is in JSON."""

    INTEGER = "integer"
    TEXT = "text"
    HEX = "hex"
    INTEGERS = "list of integers"
    TEXTS = "list of texts"
    HEXES = "list of hex"


class Unit(Enum):
    """What a number counts, where it is not a plain count or index."""

    NATS_Q16 = "nats in 1/65536"
    SHARE_Q16 = "share in 1/65536"
    BYTES = "bytes"


class Whose(Enum):
    """Whom an event's `peer` names."""

    WRITER = "the peer whose log it is"
    OTHER = "the other peer"
    NOBODY = "null"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldKind:
    """A field of an event.

    Attributes:
        name: Its name.
        type: What it is in JSON.
        meaning: What it says, for people; of an index, of what.
        unit: Of its number or numbers, where these are no plain count or index.
        words: All that a text can be, where it is one of a few words.
        is_nullable: Whether it may be null instead.
        is_optional: Whether an event may lack it.
    """

    name: str
    type: FieldType
    meaning: str
    unit: Unit | None = None
    words: tuple[str, ...] = ()
    is_nullable: bool = False
    is_optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventKind:
    """An event.

    Attributes:
        name: Its name.
        when: When it is written, and why.
        has_round: Whether it names a round.
        whose: Whom its `peer` names.
        fields: What else it says, in the order in which it is written.
    """

    name: str
    when: str
    has_round: bool
    whose: Whose
    fields: tuple[FieldKind, ...] = ()


def _count(name: str, meaning: str, unit: Unit | None = None) -> FieldKind:
    return FieldKind(name=name, type=FieldType.INTEGER, meaning=meaning, unit=unit)


def _hex(name: str, meaning: str) -> FieldKind:
    return FieldKind(name=name, type=FieldType.HEX, meaning=meaning)


def _list(name: str, type_: FieldType, meaning: str, unit: Unit | None = None) -> FieldKind:
    return FieldKind(name=name, type=type_, meaning=meaning, unit=unit)


def _word(name: str, meaning: str, kinds: type[Status] | type[Phase] | type[Fault]) -> FieldKind:
    words = tuple(kind.name.lower() for kind in kinds)
    return FieldKind(name=name, type=FieldType.TEXT, meaning=meaning, words=words)


def _because(meaning: str) -> FieldKind:
    return FieldKind(name="reason", type=FieldType.TEXT, meaning=meaning)


_STEP: Final = _count("step", "0 the answers, then the ballots")

# What `swarm/core` emits about the peer whose node it is.
_CORE: Final = (
    EventKind(
        name="node_started",
        when="a peer came up",
        has_round=False,
        whose=Whose.WRITER,
        fields=(_count("rounds", "rounds its disk knows as unfinished"),),
    ),
    EventKind(
        name="node_halted",
        when="its disk failed; it signs and says nothing more",
        has_round=False,
        whose=Whose.WRITER,
        fields=(
            _because("the disk's"),
            FieldKind(name="remedy", type=FieldType.TEXT, meaning="what to do; empty where nothing helps"),
        ),
    ),
    EventKind(
        name="node_paused",
        when="it takes no further rounds, until it is unpaused; those that are open go on",
        has_round=False,
        whose=Whose.WRITER,
        fields=(_because("its owner's word, or a limit of its own that was reached"),),
    ),
    EventKind(
        name="node_unpaused",
        when="it takes rounds again",
        has_round=False,
        whose=Whose.WRITER,
        fields=(),
    ),
    EventKind(
        name="round_declined",
        when="a question has a seat for it, and it is paused",
        has_round=True,
        whose=Whose.WRITER,
        fields=(_because("why it is paused"),),
    ),
    EventKind(
        name="round_opened",
        when="it took a question it has a seat for",
        has_round=True,
        whose=Whose.WRITER,
        fields=(
            _count("seat", "its own"),
            _count("seats", "of the committee"),
            _count("quorum", "seats that certify"),
        ),
    ),
    EventKind(
        name="round_resumed",
        when="it goes on with a round after a restart",
        has_round=True,
        whose=Whose.WRITER,
        fields=(_count("statements", "it had signed before"),),
    ),
    EventKind(
        name="answer_written",
        when="its model has answered; the text stays sealed until all reveal theirs",
        has_round=True,
        whose=Whose.WRITER,
        fields=(_count("tokens", "sampled for it"),),
    ),
    EventKind(
        name="phase_reached",
        when="it came to a phase of a step",
        has_round=True,
        whose=Whose.WRITER,
        fields=(
            _STEP,
            _word("phase", "which", Phase),
            _count("seats", "it has heard of in this phase; 0 where nothing is counted"),
        ),
    ),
    EventKind(
        name="pairs_judged",
        when="its judge compared pairs; not where texts are scored one by one",
        has_round=True,
        whose=Whose.WRITER,
        fields=(
            _STEP,
            _list("judge", FieldType.TEXT, "strategy, as `ask --judge` names it"),
            _count("pairs", "with an outcome"),
            _count("missing", "pairs without one"),
            _list("reasons", FieldType.TEXTS, "why outcomes are missing"),
        ),
    ),
    EventKind(
        name="call_failed",
        when="its model could not be asked, or did not answer",
        has_round=True,
        whose=Whose.WRITER,
        fields=(
            FieldKind(
                name="step",
                type=FieldType.INTEGER,
                meaning="where the call could not even be made",
                is_optional=True,
            ),
            _because("the model's"),
        ),
    ),
    EventKind(
        name="step_decided",
        when="it holds a step's certificate; all peers write the same but for `view`",
        has_round=True,
        whose=Whose.WRITER,
        fields=(
            _STEP,
            _word("status", "so far", Status),
            _count("next", "0 goes on, 1 stops, 2 is aborted"),
            _list("missing", FieldType.INTEGERS, "seats that do not count in this step"),
            _list("classes", FieldType.TEXTS, "seats that gave each answer, by class: `0,2,3`"),
            _list("scores", FieldType.INTEGERS, "strength by class; none in step 0", Unit.NATS_Q16),
            _count("p_best_q16", "P(the leader is best), 0 in step 0", Unit.SHARE_Q16),
            _count(
                "flip_estimate",
                "judges whose removal changes the leader, an estimate but for 1; 0: none found",
            ),
            _hex("digest", "of the value that is certified"),
            _count("view", "in which it was agreed on"),
        ),
    ),
    EventKind(
        name="round_closed",
        when="the receipt of a finished round is on its disk",
        has_round=True,
        whose=Whose.WRITER,
        fields=(
            _word("status", "as certified", Status),
            FieldKind(
                name="winner",
                type=FieldType.INTEGER,
                meaning="class index; null where the round was aborted",
                is_nullable=True,
            ),
            _hex("result", "digest of the last value"),
        ),
    ),
    EventKind(
        name="round_halted",
        when="it left a round without a result",
        has_round=True,
        whose=Whose.WRITER,
        fields=(_because("why"),),
    ),
    EventKind(
        name="evidence_found",
        when="it holds two statements of a seat that exclude each other",
        has_round=True,
        whose=Whose.WRITER,
        fields=(_count("seat", "of the culprit"), _word("fault", "which", Fault)),
    ),
    EventKind(
        name="asker_equivocated",
        when="an asker signed two questions under one counter; the second is refused",
        has_round=True,
        whose=Whose.WRITER,
        fields=(_hex("asker", "public key"), _count("counter", "the asker's")),
    ),
    EventKind(
        name="standing_refused",
        when="a question builds on weights that do not follow from the round it names",
        has_round=True,
        whose=Whose.WRITER,
        fields=(_because("why"),),
    ),
    EventKind(
        name="receipt_fetched",
        when="it has from a peer the receipt of a round that a question builds on",
        has_round=True,
        whose=Whose.WRITER,
        fields=(_hex("sender", "public key"),),
    ),
    EventKind(
        name="receipt_damaged",
        when="a receipt on its disk does not hold",
        has_round=True,
        whose=Whose.WRITER,
        fields=(_because("why"),),
    ),
)

# What the edge adds: links, penalties, the disk, the process.
_EDGE: Final = (
    EventKind(name="link_opened", when="a link is up", has_round=False, whose=Whose.OTHER),
    EventKind(
        name="link_closed",
        when="a link is down",
        has_round=False,
        whose=Whose.OTHER,
        fields=(_because("which side, and why"),),
    ),
    EventKind(
        name="dial_failed",
        when="a link could not be made; it is tried again",
        has_round=False,
        whose=Whose.OTHER,
        fields=(_because("why"),),
    ),
    EventKind(
        name="bootstrap_failed",
        when="an address of the network's file gave no link; it is tried again while there are too few",
        has_round=False,
        whose=Whose.NOBODY,
        fields=(FieldKind(name="url", type=FieldType.TEXT, meaning="the address"), _because("why")),
    ),
    EventKind(
        name="second_machine",
        when="a peer's key is in use on another machine as well; it has stopped and signs nothing more",
        has_round=False,
        whose=Whose.WRITER,
        fields=(_because("what was seen"),),
    ),
    EventKind(
        name="peer_penalised",
        when="a peer broke a rule; after a few it is banned for a while",
        has_round=False,
        whose=Whose.OTHER,
        fields=(_because("the rule"),),
    ),
    EventKind(
        name="events_left_out",
        when="the same was to be noted too often: so many more, since this was said last, are not in the log",
        has_round=False,
        whose=Whose.NOBODY,
        fields=(
            FieldKind(name="name", type=FieldType.TEXT, meaning="which event"),
            _count("count", "how many"),
        ),
    ),
    EventKind(
        name="database_rolled_back",
        when="its database was an older copy; it is silent in every round that this can concern",
        has_round=False,
        whose=Whose.WRITER,
        fields=(
            _count("lost", "rounds that the copy does not know of"),
            _count("abandoned", "rounds that the copy holds open"),
            FieldKind(name="remedy", type=FieldType.TEXT, meaning="what to do"),
        ),
    ),
    EventKind(
        name="rounds_forgotten",
        when="the database was larger than allowed; what it held of the rounds that ended first is gone",
        has_round=False,
        whose=Whose.WRITER,
        fields=(_count("rounds", "how many"), _count("used_bytes", "of the database", Unit.BYTES)),
    ),
    EventKind(
        name="receipt_unreadable",
        when="the database could not be read for a receipt",
        has_round=True,
        whose=Whose.NOBODY,
        fields=(_because("the disk's"),),
    ),
    EventKind(
        name="links_cut",
        when="a testnet separates this peer from others, or joins them again",
        has_round=False,
        whose=Whose.NOBODY,
        fields=(_list("keys", FieldType.HEXES, "public keys it has no links with until further word"),),
    ),
    EventKind(
        name="node_stopped",
        when="a peer with a process of its own goes down as it was told",
        has_round=False,
        whose=Whose.WRITER,
        fields=(_count("sent_messages", "in its life"), _count("sent_bytes", "in its life", Unit.BYTES)),
    ),
)

# What a log says of itself.
_LOG: Final = (
    EventKind(
        name=GAP_EVENT,
        when="a full disk, or a reader too slow, lost events before the next one",
        has_round=False,
        whose=Whose.NOBODY,
        fields=(_count("lost", "how many; `seq` is that of the first"),),
    ),
)

EVENTS: Final[Mapping[str, EventKind]] = {kind.name: kind for kind in (*_CORE, *_EDGE, *_LOG)}
"""By name, in the order in which docs/events.md lists them."""
