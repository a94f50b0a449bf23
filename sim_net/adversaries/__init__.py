"""Peers and askers that break the protocol, by name; judges and authors that only lie are elsewhere."""

import importlib
import inspect
from collections.abc import Mapping
from types import MappingProxyType

from consensus.errors import ConfigError
from sim_net.adversaries.askers import DishonestAsker, EquivocatingAsker, HistoryForger
from sim_net.adversaries.base import Adversary
from sim_net.adversaries.commits import (
    BodyForger,
    CommitFlooder,
    CommitThief,
    EarlyRevealer,
    Equivocator,
    LateCommitter,
    RevealWithholder,
)
from sim_net.adversaries.lists import ListEquivocator, ListLiar, ListPadder
from sim_net.adversaries.noise import (
    EarlyBird,
    Flooder,
    MalformedSender,
    NetworkReplayer,
    Replayer,
    Silent,
    SlowSender,
)
from sim_net.adversaries.twins import Twin
from sim_net.adversaries.votes import (
    Amnesiac,
    CensoringProposer,
    Chaotic,
    DeadProposer,
    ListStuffer,
    TwoFacedProposer,
    VoteEquivocator,
)

__all__ = [
    "ASKERS",
    "ASKER_REGISTRY",
    "REGISTRY",
    "SEATS",
    "Adversary",
    "Amnesiac",
    "BodyForger",
    "CensoringProposer",
    "Chaotic",
    "CommitFlooder",
    "CommitThief",
    "DeadProposer",
    "DishonestAsker",
    "EarlyBird",
    "EarlyRevealer",
    "EquivocatingAsker",
    "Equivocator",
    "Flooder",
    "HistoryForger",
    "LateCommitter",
    "ListEquivocator",
    "ListLiar",
    "ListPadder",
    "ListStuffer",
    "MalformedSender",
    "NetworkReplayer",
    "Replayer",
    "RevealWithholder",
    "Silent",
    "SlowSender",
    "Twin",
    "TwoFacedProposer",
    "VoteEquivocator",
    "load_plugin",
]

SEATS: tuple[type[Adversary], ...] = (
    Equivocator,
    CommitFlooder,
    CommitThief,
    LateCommitter,
    RevealWithholder,
    BodyForger,
    EarlyRevealer,
    ListLiar,
    ListEquivocator,
    ListPadder,
    ListStuffer,
    DeadProposer,
    CensoringProposer,
    TwoFacedProposer,
    VoteEquivocator,
    Amnesiac,
    Chaotic,
    Twin,
    Silent,
    SlowSender,
    MalformedSender,
    Flooder,
    Replayer,
    NetworkReplayer,
    EarlyBird,
)
ASKERS: tuple[type[DishonestAsker], ...] = (EquivocatingAsker, HistoryForger)
REGISTRY: Mapping[str, type[Adversary]] = MappingProxyType({kind.name: kind for kind in SEATS})
ASKER_REGISTRY: Mapping[str, type[DishonestAsker]] = MappingProxyType({kind.name: kind for kind in ASKERS})


def load_plugin(kind: str) -> type:
    """Load the class that `module:Class` names.

    Raises:
        ConfigError: There is no such module or class.
    """
    module, _, name = kind.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as exc:
        raise ConfigError(
            f"adversary {kind!r} cannot be loaded: {exc}",
            remedy="name it as module:Class, and run where Python finds the module",
        ) from exc
    if not inspect.isclass(found):
        raise ConfigError(f"adversary {kind!r} is no class")
    return found
