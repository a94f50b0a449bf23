"""The rules that worlds are held to, by name, and how a broken one is kept."""

from dataclasses import dataclass

SAFETY = {
    "agreement": "no two values are certified for one step of a round",
    "receipts": "every receipt verifies, and its status names exactly who is missing",
    "signatures": "no honest node signs two statements for one slot, or sends what is not on its disk",
    "soundness": "no input makes an honest node fail",
    "amnesia": "no honest node prevotes against its lock without newer proof",
    "order": "no honest node reveals before its own list is signed and q lists name its commit",
    "late": "every commit that counts was listed by as many honest seats as certify it",
    "thieves": "nobody's commit counts as another's",
    "omission": "a reveal that hardly any honest seat leaves out of its list always counts",
    "evidence": "evidence proves what it says, and never against an honest seat",
    "penalties": "no honest node holds a broken rule against an honest peer",
    "asker": "an honest seat takes part in one round for one counter of an asker",
    "standings": "every standing that an honest seat takes follows from the certified round that it names",
}
LIVENESS = {
    "termination": "after healing every round that an honest node takes part in ends with a receipt",
    "discovery": "who shows an honest seat two statements that exclude each other is found out",
}
# These rest on at most f Byzantine seats in the committee; the others hold for an honest node in any case.
WITHIN_ASSUMPTION = ("agreement", "late", "omission", "standings", "termination", "discovery")


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that did not hold: which, in which round (None: none in particular), when, and how."""

    rule: str
    round_id: bytes | None
    at_ms: int
    message: str


class ViolationError(AssertionError):
    """An honest node, or the world as a whole, did what none may do."""
