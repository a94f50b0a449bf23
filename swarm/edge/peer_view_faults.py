"""Which events of a log mean that something is wrong with a peer, how bad it is, and what can be done."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from swarm.edge.events import GAP_EVENT

REMEDY_CHARS_MAX: Final = 51  # so that it stands whole on a screen of 80 columns


class Severity(Enum):
    """How bad a fault is, in words that are shown."""

    ERROR = "ERROR"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A kind of fault.

    Attributes:
        severity: How bad it is.
        words: What it means.
        remedy: What can be done about it.
        remedy_own: What can be done where the fault names this peer's own seat; it is an error then.
    """

    severity: Severity
    words: str
    remedy: str
    remedy_own: str = ""


FAULTS: Final[Mapping[str, FaultKind]] = {
    "node_halted": FaultKind(
        Severity.ERROR,
        "its disk failed; it signs and says nothing more",
        "free space on its disk or mend it, and start it",
    ),
    "second_machine": FaultKind(
        Severity.ERROR,
        "its key is in use on another machine as well; it has stopped",
        "end it on one of them; never copy a running peer",
    ),
    "database_rolled_back": FaultKind(
        Severity.ERROR,
        "its database was an older copy; it is silent where that matters",
        "keep what is there now, and restore no older copy",
    ),
    "bootstrap_failed": FaultKind(
        Severity.WARNING,
        "an address of the network's file gave no link",
        "nothing: it is tried again while links are too few",
    ),
    "receipt_damaged": FaultKind(
        Severity.ERROR,
        "a receipt on its disk does not hold",
        "check its disk; other peers hold the same receipt",
    ),
    "receipt_unreadable": FaultKind(
        Severity.ERROR,
        "its database could not be read for a receipt",
        "check its disk and who may read the database",
    ),
    "evidence_found": FaultKind(
        Severity.WARNING,
        "a seat signed two statements that exclude each other",
        "nothing to do: the evidence is kept",
        remedy_own="its own seat: its key runs twice, stop the other",
    ),
    "call_failed": FaultKind(
        Severity.WARNING,
        "its model could not be asked, or did not answer",
        "check its model and memory: peerage models info",
    ),
    "round_halted": FaultKind(
        Severity.WARNING,
        "it left a round without a result",
        "see the reason; the other seats go on without it",
    ),
    "asker_equivocated": FaultKind(
        Severity.WARNING,
        "an asker signed two questions under one counter",
        "nothing: it was refused; the asker's key runs twice",
    ),
    "standing_refused": FaultKind(
        Severity.WARNING,
        "a question builds on weights that do not follow from the round it names",
        "nothing here: the asker has to name another round",
    ),
    GAP_EVENT: FaultKind(
        Severity.WARNING,
        "the log lacks events",
        "free space on the disk that the log is on",
    ),
}
"""By event."""

HALTING: Final = ("node_halted", "second_machine")
"""Events after which a peer signs nothing more."""
