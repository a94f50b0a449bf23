"""Honest rounds, recorded once: the receipts that all vectors start from, and the keys of their seats.

A golden file must not change because a prompt did, so rounds are run only on demand, and kept. Run:
python -m tests.vectors.honest
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from consensus.genesis import open_network
from consensus.identity import KeyPair
from consensus.receipt import open_receipt
from consensus.verify import verify_receipt
from models.contract import (
    Choice,
    ChoiceRequest,
    GenerateRequest,
    Generation,
    Model,
    ModelInfo,
    Score,
    ScoreRequest,
)
from models.scripted import ScriptedModel
from sim_net.seeds import Seeds
from sim_net.world import World
from tests.consensus.receipt_kit import (
    KITS,
    SEEDS_MAX,
    Kit,
    find_history,
    find_kit,
    get_kit,
    has_rich_ballots,
    run_history,
    run_round,
)

KIT_NAMES = (*KITS, "five")  # where n = 3f + 2, two commits of one seat can reach f + 1 lists each
FOLDER = Path(__file__).parent / "receipts"
KEYS = FOLDER / "keys.json"
NASTY_TEXTS = (
    "Äpfel",
    "äpfel",
    "ÄPFEL",
    "A\u0308pfel",
    "\u212aelvin",
    "kelvin",
    "\uff18\uff14",
    "**84**",
    "84.0",
    "The answer is: 84",
    "\ufeff84",
    "\u00a084",
)


@dataclass(frozen=True)
class Recorded:
    """A round as it ended; `world_seed` gives the keys where forgeries are made of it."""

    data: bytes
    world_seed: int | None = None


class SayingModel:
    """A model that always gives one answer, and judges as a coin does."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._coin = ScriptedModel(judge_accuracy=0.5)

    def info(self) -> ModelInfo:
        return self._coin.info()

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        return [
            dataclasses.replace(answer, text=f" {self._text}") for answer in self._coin.generate(requests)
        ]

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        return self._coin.score(requests)

    def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        return self._coin.choose(requests)


def to_file_name(name: str) -> str:
    """Return the file of a vector: its name in lower case, without what a file system might mind."""
    words = "".join(c if c.isalnum() else " " for c in name.lower()).split()
    return "-".join(words) + ".receipt"


def record() -> Iterator[tuple[str, Recorded]]:
    """Run every round anew."""
    for name in KITS:
        kit = get_kit(name)
        yield f"honest {name}", Recorded(kit.data, _find_world_seed(kit))
    five = find_kit([ScriptedModel()] * 5, is_fit=has_rich_ballots)
    yield "honest five", Recorded(five.data, _find_world_seed(five))
    for seats in (4, 5, 6, 7, 8, 9, 10, 13):
        for seed in range(2):
            yield f"honest {seats} seats, seed {seed}", _run(seats, 0.4, 0.5 + 0.3 * seed, seed=seed)
    for seats in (4, 7, 13, 22):
        yield f"honest {seats} seats, good judges", _run(seats, 0.6, 0.95, seed=2)
    for seats in (7, 31):
        models: list[Model] = [SayingModel(f"answer {index}") for index in range(seats)]
        yield f"honest {seats} seats, all differ", Recorded(run_round(seed=0, models=models)[1])
    for dead in (1, 2):
        yield f"honest 7 seats, {dead} missing", _run(7, 0.4, 0.8, seed=3, dead=range(dead))
    yield "honest 10 seats, 3 missing", _run(10, 0.4, 0.8, seed=3, dead=range(3))
    for steps in (1, 2):
        yield f"honest 7 seats, {steps} ballot steps", _run(7, 0.4, 0.6, seed=4, steps_max=steps)
    for calls in (4, 5, 30):
        yield f"honest 5 seats, {calls} calls", _run(5, 0.4, 0.6, seed=5, calls_per_peer=calls)
    yield "honest 5 seats of 9 members", _run(9, 0.4, 0.6, seed=6, seats=5)
    yield "honest counter 2 to the 53rd", _run(4, 0.4, 0.8, seed=7, counter=2**53)
    models = [SayingModel(text) for text in NASTY_TEXTS]
    yield "honest answers beyond ASCII", Recorded(run_round(seed=8, models=models)[1])
    _, receipts = run_history(seed=find_history(), rounds=4)
    for place in (0, 2, 3):  # the second is the kit "standing"
        yield f"honest round {place} of a history", Recorded(receipts[place])


def _run(
    members: int,
    accuracy: float,
    judge_accuracy: float,
    *,
    seed: int,
    dead: Sequence[int] = (),
    **limits: int,
) -> Recorded:
    model = ScriptedModel(accuracy=accuracy, judge_accuracy=judge_accuracy)
    world = World(seed=seed, models=[model] * members)
    for index in dead:
        world.crash(index)
    world.ask("What is 7 times 12?", **limits)
    world.run(until_ms=120_000, is_done=lambda: world.get_receipt() is not None)
    data = world.get_receipt()
    assert data is not None, "an honest round ends"
    return Recorded(data)


def _find_world_seed(kit: Kit) -> int:
    """Return the seed of the world in which the kit's asker lives."""
    keys = (KeyPair(Seeds(seed).derive("asker")).key for seed in range(SEEDS_MAX))
    return next(seed for seed, key in enumerate(keys) if key == kit.asker.key)


def derive_keys(world_seed: int, members: int) -> dict[str, str]:
    """Return the secret seeds of a world's asker and peers, hexadecimal, by name."""
    names = ["asker", *(f"peer-{index}" for index in range(members))]
    return {name: Seeds(world_seed).derive(name).hex() for name in names}


@cache
def read_kits() -> Mapping[str, Kit]:
    """Return what forgeries are made of: the recorded kits, by the name that the receipt tests give them."""
    seeds = json.loads(KEYS.read_text("utf-8"))["kits"]
    return MappingProxyType({name: _open_kit(name, seeds[name]) for name in KIT_NAMES})


def _open_kit(name: str, seeds: Mapping[str, str]) -> Kit:
    data = (FOLDER / to_file_name(f"honest {name}")).read_bytes()
    verified = verify_receipt(data).round
    assert verified is not None, name
    pairs = {pair.key: pair for pair in (KeyPair(bytes.fromhex(seed)) for seed in seeds.values())}
    signers = tuple(pairs[key] for key in verified.facts.committee.keys)
    return Kit(data, open_receipt(data), verified, signers, KeyPair(bytes.fromhex(seeds["asker"])))


def read_honest() -> dict[str, bytes]:
    """Return the recorded receipts by name, in the order of their recording."""
    names = json.loads(KEYS.read_text("utf-8"))["names"]
    return {name: (FOLDER / to_file_name(name)).read_bytes() for name in names}


def main() -> None:
    """Write the receipts and the keys of the kits."""
    FOLDER.mkdir(exist_ok=True)
    kits: dict[str, dict[str, str]] = {}
    names = []
    for name, recorded in record():
        (FOLDER / to_file_name(name)).write_bytes(recorded.data)
        names.append(name)
        if recorded.world_seed is not None:
            members = len(open_network(open_receipt(recorded.data).genesis).keys)
            kits[name.removeprefix("honest ")] = derive_keys(recorded.world_seed, members)
    KEYS.write_text(json.dumps({"names": names, "kits": kits}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
