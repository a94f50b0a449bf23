"""Questions that were taken back before they had arrived, remembered within bounds."""

from collections import OrderedDict
from dataclasses import dataclass, field

from consensus.identity import PeerKey

CANCELLED_MAX = 64  # questions of one sender
SENDERS_MAX = 256  # whoever was heard longest ago is forgotten first


@dataclass(slots=True)
class EarlyCancels:
    """Who has cancelled which rounds that were not open here; each sender can only push out its own."""

    by_sender: OrderedDict[PeerKey, OrderedDict[bytes, None]] = field(default_factory=OrderedDict)

    def note(self, sender: PeerKey, round_id: bytes) -> None:
        """Remember that somebody wants no answer to a question, whether it is theirs or not.

        Args:
            sender: On whose link the word came.
            round_id: Of the question.
        """
        rounds = self.by_sender.setdefault(sender, OrderedDict())
        self.by_sender.move_to_end(sender)
        rounds[round_id] = None
        if len(rounds) > CANCELLED_MAX:
            rounds.popitem(last=False)
        if len(self.by_sender) > SENDERS_MAX:
            self.by_sender.popitem(last=False)

    def holds(self, asker: PeerKey, round_id: bytes) -> bool:
        """Say whether the asker of a question has taken it back already.

        Args:
            asker: Who signed the question.
            round_id: Of the question.
        """
        return round_id in self.by_sender.get(asker, ())
