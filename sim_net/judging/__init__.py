"""Peers that keep to the protocol and lie as judges and authors: they answer and judge as they like."""

from collections.abc import Mapping
from types import MappingProxyType

from sim_net.judging.authors import Copycat, LengthGamer, PromptInjector
from sim_net.judging.base import JudgingAdversary, JudgingContext
from sim_net.judging.cliques import ColludingClique, RotatingShill, Shill, Sleeper, TacticalDownVoter
from sim_net.judging.judges import CheapSignal, Inverter, LazyJudge, RandomJudge

__all__ = [
    "JUDGING_ADVERSARIES",
    "CheapSignal",
    "ColludingClique",
    "Copycat",
    "Inverter",
    "JudgingAdversary",
    "JudgingContext",
    "LazyJudge",
    "LengthGamer",
    "PromptInjector",
    "RandomJudge",
    "RotatingShill",
    "Shill",
    "Sleeper",
    "TacticalDownVoter",
]

JUDGING_ADVERSARIES: Mapping[str, type[JudgingAdversary]] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            ColludingClique,
            TacticalDownVoter,
            Inverter,
            RandomJudge,
            Copycat,
            Shill,
            RotatingShill,
            Sleeper,
            LengthGamer,
            PromptInjector,
            LazyJudge,
            CheapSignal,
        )
    }
)
