"""What happens to a message between two nodes: delay, loss, duplication, reordering, corruption, partition.

Every message is on its own: a spread of delays reorders already; `reordering` holds some back further.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass

from sim_net.distributions import parse_distribution
from sim_net.manifest import NetworkSettings

HELD_BACK_MAX = 10  # a reordered message waits for up to this many further delays


@dataclass(frozen=True, slots=True)
class Arrival:
    """One copy of a message on its way."""

    delay_ms: int
    data: bytes
    is_corrupted: bool


class Network:
    """The links between nodes, by index; the asker is the index `ASKER`."""

    def __init__(self, settings: NetworkSettings, dice: random.Random) -> None:
        self._dice = dice
        self._calm = settings
        self._weathers: list[NetworkSettings] = []
        self._cuts: dict[tuple[int, int], int] = {}
        self._use(settings)

    # -- weather -----------------------------------------------------------------------------------

    @property
    def settings(self) -> NetworkSettings:
        """What holds now."""
        return self._weathers[-1] if self._weathers else self._calm

    def push(self, weather: NetworkSettings) -> None:
        """Let another weather hold until it is popped; the latest one holds."""
        self._weathers.append(weather)
        self._use(self.settings)

    def pop(self, weather: NetworkSettings) -> None:
        """End a weather; another one that came later goes on."""
        if weather in self._weathers:
            self._weathers.remove(weather)
        self._use(self.settings)

    def calm(self, settings: NetworkSettings) -> None:
        """Heal: no cuts, and this weather from now on."""
        self._calm = settings
        self._weathers.clear()
        self._cuts.clear()
        self._use(settings)

    def _use(self, settings: NetworkSettings) -> None:
        self._latency = parse_distribution(settings.latency)

    # -- partitions --------------------------------------------------------------------------------

    def cut(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Cut directed links; what is cut twice must be joined twice."""
        for pair in pairs:
            self._cuts[pair] = self._cuts.get(pair, 0) + 1

    def join(self, pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Undo a cut; returns the links that are whole again."""
        whole = []
        for pair in pairs:
            left = self._cuts.pop(pair, 0) - 1
            if left > 0:
                self._cuts[pair] = left
            elif left == 0:
                whole.append(pair)
        return whole

    def is_cut(self, sender: int, target: int) -> bool:
        """Say whether nothing passes from one node to another."""
        return (sender, target) in self._cuts

    # -- messages ----------------------------------------------------------------------------------

    def draw_delay_ms(self) -> int:
        """Draw the delay of one message."""
        delay = self._latency.draw_ms(self._dice)
        jitter = self.settings.jitter_ms
        return delay + self._dice.randrange(jitter + 1) if jitter else delay

    def carry(self, sender: int, target: int, data: bytes) -> list[Arrival]:
        """Return the copies that arrive of one message; none where it is lost."""
        settings, dice = self.settings, self._dice
        if self.is_cut(sender, target) or (settings.loss and dice.random() < settings.loss):
            return []
        copies = 2 if settings.duplication and dice.random() < settings.duplication else 1
        return [self._carry_copy(settings, data) for _ in range(copies)]

    def _carry_copy(self, settings: NetworkSettings, data: bytes) -> Arrival:
        dice = self._dice
        delay = self.draw_delay_ms()
        if settings.reordering and dice.random() < settings.reordering:
            delay += sum(self.draw_delay_ms() for _ in range(dice.randint(1, HELD_BACK_MAX)))
        if data and settings.corruption and dice.random() < settings.corruption:
            place = dice.randrange(len(data))
            changed = data[place] ^ dice.randint(1, 255)
            return Arrival(delay, data[:place] + bytes([changed]) + data[place + 1 :], True)
        return Arrival(delay, data, False)
