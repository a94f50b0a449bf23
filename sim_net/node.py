"""A simulated node: the core's state with its edges, which are a disk, a clock and a model."""

from collections.abc import Callable
from dataclasses import dataclass, field

from consensus.identity import KeyPair
from models.contract import Model
from sim_net.disk import Disk
from swarm.core.inputs import Input
from swarm.core.node import NodeState

# Makes an input from the node's own time; inputs wait as such while a node is paused.
MakeInput = Callable[[int], Input]


@dataclass(slots=True)
class Clock:
    """A node's own clock against the world's.

    Attributes:
        offset_ms: How far it is ahead.
        rate: Its seconds per second of the world.
    """

    offset_ms: float = 0.0
    rate: float = 1.0

    def read_ms(self, world_ms: int) -> int:
        """Return the node's time."""
        return round(world_ms * self.rate + self.offset_ms)

    def set_rate(self, rate: float, world_ms: int) -> None:
        """Run at another rate from now on, without a jump."""
        self.offset_ms += world_ms * (self.rate - rate)
        self.rate = rate

    def compute_delay_ms(self, delay_ms: int) -> int:
        """Return how long the world waits for a timer of the node's."""
        return max(0, round(delay_ms / self.rate))


@dataclass(slots=True)
class SimNode:
    """A node in a world.

    Attributes:
        peer: The peer whose key it holds; twins share one.
        life: Counts its lives, so that what an earlier one awaited is dropped.
        slowed_by: How many times as long its disk and its model take, by every cause; the worst counts.
        backlog: What happened while it was paused.
    """

    peer: int
    signer: KeyPair
    model: Model
    state: NodeState
    disk: Disk = field(default_factory=Disk)
    clock: Clock = field(default_factory=Clock)
    life: int = 0
    is_up: bool = True
    is_paused: bool = False
    is_tearing: bool = False
    slowed_by: list[float] = field(default_factory=list)
    disk_free_ms: int = 0
    backlog: list[Callable[[], None]] = field(default_factory=list)
    sent_messages: int = 0
    sent_bytes: int = 0

    @property
    def slowness(self) -> float:
        """How many times as long its disk and its model take now."""
        return max(self.slowed_by, default=1.0)
