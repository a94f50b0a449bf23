"""Every fault a manifest can name, with what it takes: the parser, the schema and the faults read this."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sim_net.keys import NETWORK_KEYS, Form, Key
from sim_net.manifest import FaultSettings, Option


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """One kind of fault.

    Attributes:
        about: One line for people.
        options: Keys it takes beside those of every fault.
        is_byzantine: Who suffers it may contradict itself, and counts against f.
        is_lasting: It has an end, so `lasts` means something.
        takes_peers: It strikes single peers, so `peers` and `count` mean something.
        takes_groups: It takes `groups`.
        needs_option: It does nothing without one of its options.
    """

    about: str
    options: tuple[Key, ...] = ()
    is_byzantine: bool = False
    is_lasting: bool = True
    takes_peers: bool = True
    takes_groups: bool = False
    needs_option: bool = False


GROUPS_KEY = Key(
    name="groups",
    form=Form.GROUPS,
    about="Who can still talk to whom: lists of peers by index; who is in none is alone.",
    most=64,
)
_SHARE = Key(
    name="share", form=Form.NUMBER, about="Share of all peers that is cut off, drawn at every strike."
)
_ONE_WAY = Key(
    name="one_way", form=Form.FLAG, about="Only what leaves the smaller side is lost.", default=False
)
_SKEW_MS_MAX = 3_600_000


def _factor(about: str, least: float, most: float, default: float) -> Key:
    return Key(name="factor", form=Form.NUMBER, about=about, least=least, most=most, default=default)


def _shift(name: str, about: str, default: int) -> Key:
    return Key(
        name=name,
        form=Form.DURATION,
        about=about,
        least=-_SKEW_MS_MAX,
        most=_SKEW_MS_MAX,
        default=default,
    )


FAULT_KINDS: Mapping[str, FaultKind] = MappingProxyType(
    {
        "kill": FaultKind(about="Stops a node; it comes back from its disk when the fault is undone."),
        "restart": FaultKind(about="Kills a node and starts it again at once.", is_lasting=False),
        "forget": FaultKind(
            about="Kills a node and starts it at once without memory: it may contradict itself.",
            is_byzantine=True,
            is_lasting=False,
        ),
        "pause": FaultKind(about="Freezes a node as SIGSTOP does; what comes meanwhile waits."),
        "slow": FaultKind(
            about="Makes a node's model calls and its handling of messages slower.",
            options=(_factor("How many times as long everything takes.", 1, 1_000, 4.0),),
        ),
        "partition": FaultKind(
            about="Cuts the network in parts; name `groups`, `share`, `peers` or `count`.",
            options=(_SHARE, _ONE_WAY),
            takes_groups=True,
        ),
        "isolate": FaultKind(about="Cuts peers off from everyone, each other included."),
        "weather": FaultKind(
            about="Changes what the network does; what it does not name stays as it was.",
            options=NETWORK_KEYS,
            takes_peers=False,
            needs_option=True,
        ),
        "clock-skew": FaultKind(
            about="Moves a node's clock by a fixed amount.",
            options=(_shift("skew", "How far; negative is behind.", 2_000),),
        ),
        "clock-jump": FaultKind(
            about="Lets a node's clock jump once.",
            options=(_shift("by", "How far; negative is back.", 5_000),),
            is_lasting=False,
        ),
        "clock-drift": FaultKind(
            about="Lets a node's clock run too fast or too slow.",
            options=(_factor("Seconds it counts in a true second.", 0.1, 10, 1.1),),
        ),
        "disk-full": FaultKind(about="Every write of a node fails for want of room."),
        "torn-write": FaultKind(about="Kills a node in the middle of its next write."),
        "lost-sync": FaultKind(
            about="A node's writes are acknowledged, and lost when it next crashes.", is_byzantine=True
        ),
        "rollback": FaultKind(
            about="Kills a node, restores an older state of its disk and starts it at once.",
            is_byzantine=True,
            is_lasting=False,
        ),
    }
)


def find_option(kind: str, name: str) -> Key:
    """Return the description of a fault's option.

    Raises:
        KeyError: The fault takes no such option.
    """
    for key in FAULT_KINDS[kind].options:
        if key.name == name:
            return key
    raise KeyError(f"{kind} takes no option {name}")


def _get(fault: FaultSettings, name: str) -> Option | None:
    key = find_option(fault.kind, name)
    return fault.options.get(key.field, key.default)


def get_number(fault: FaultSettings, name: str) -> float | None:
    """Return a number among a fault's options, its default where it is not given, None without one."""
    value = _get(fault, name)
    assert value is None or isinstance(value, int | float), "the parser checks the types of options"
    return None if value is None else float(value)


def get_ms(fault: FaultSettings, name: str) -> int | None:
    """Return a duration among a fault's options in milliseconds, by its name in TOML."""
    value = _get(fault, name)
    assert value is None or isinstance(value, int), "the parser checks the types of options"
    return value


def get_flag(fault: FaultSettings, name: str) -> bool:
    """Return a flag among a fault's options; without a default it is false."""
    return bool(_get(fault, name))


def get_text(fault: FaultSettings, name: str) -> str | None:
    """Return a text among a fault's options."""
    value = _get(fault, name)
    return None if value is None else str(value)
