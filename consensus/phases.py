"""The round as a table: which statement means what in which phase of a step.

A seat's step runs through four phases. Everything a peer may send is in the table; what is not (an
unknown kind, a seat that does not exist, a step beyond the last) is a PeerError from that peer.
Messages of later steps are early, never a fault; messages of closed steps are answered with the
certificate. Source: docs/protocol.md, "Step s".
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from consensus.messages import Kind


class Phase(IntEnum):
    """Where a seat is within a step."""

    COMMITTING = 0  # own CommitList not signed yet
    REVEALING = 1  # CommitList signed, RevealList not
    VOTING = 2  # RevealList signed, no certificate yet
    CLOSED = 3  # certificate held


class Rule(IntEnum):
    """What a seat does with a statement."""

    ADMIT = 0
    IGNORE = 1  # too late to matter, and no fault
    CERTIFY = 2  # answer with the certificate


_OPEN: Final = (Phase.COMMITTING, Phase.REVEALING, Phase.VOTING)

TABLE: Final[Mapping[tuple[Phase, Kind], Rule]] = MappingProxyType(
    {
        # A list, once signed, admits no more: a late commit can no longer be certified.
        (Phase.COMMITTING, Kind.COMMIT): Rule.ADMIT,
        (Phase.REVEALING, Kind.COMMIT): Rule.IGNORE,
        (Phase.VOTING, Kind.COMMIT): Rule.IGNORE,
        # Lists count whenever they come: a late one may certify a commit whose reveal is here already.
        **{(phase, Kind.COMMIT_LIST): Rule.ADMIT for phase in _OPEN},
        **{(phase, Kind.REVEAL): Rule.ADMIT for phase in _OPEN},
        **{(phase, Kind.REVEAL_LIST): Rule.ADMIT for phase in _OPEN},
        # Votes of every view count in every open phase: a slow seat must not miss a decision.
        **{(phase, Kind.PROPOSAL): Rule.ADMIT for phase in _OPEN},
        **{(phase, Kind.PREVOTE): Rule.ADMIT for phase in _OPEN},
        **{(phase, Kind.PRECOMMIT): Rule.ADMIT for phase in _OPEN},
        **{(Phase.CLOSED, kind): Rule.CERTIFY for kind in Kind if kind is not Kind.QUESTION},
    }
)
