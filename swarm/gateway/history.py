"""Which rounds a caller has asked, what their receipts say of question and answer, and search in them."""

from collections import OrderedDict
from dataclasses import dataclass

import trio

from consensus.errors import VerificationError
from swarm.edge.kept_receipts import ReceiptSummary, summarise_receipt
from swarm.gateway.rounds import RoundRow, RoundStore

SUMMARIES_MAX = 2_048  # kept in memory
SEARCHED_MAX = 2_000  # rounds looked through for one page; the next page goes on from there
SEARCH_PAGE = 100


@dataclass(frozen=True, slots=True)
class PastRound:
    """A round, and its receipt's own word; `summary` is None where it has none that can be read."""

    row: RoundRow
    summary: ReceiptSummary | None


@dataclass(frozen=True, slots=True)
class PastPage:
    """Rounds, newest first; where `has_more`, the next page is what comes after `last_id`."""

    rounds: tuple[PastRound, ...]
    has_more: bool
    last_id: bytes | None


class History:
    """Lists rounds and searches them; what receipts say is read, not verified.

    Args:
        rounds: On disk.
    """

    def __init__(self, rounds: RoundStore) -> None:
        self._rounds = rounds
        self._summaries: OrderedDict[bytes, ReceiptSummary | None] = OrderedDict()

    async def list(
        self, owner: str | None, *, after: bytes | None, limit: int, search: str
    ) -> PastPage | None:
        """Return a page of rounds; None where `after` is no round of this owner's.

        Args:
            owner: Whose rounds; None for everybody's.
            after: Begin behind this round.
            limit: Most rounds.
            search: What question or answer must contain, whatever the case; empty for all rounds.

        Raises:
            StoreError: The database or a receipt cannot be read.
        """
        found: list[PastRound] = []
        last_id, searched = after, 0
        while True:
            page = await self._rounds.list(
                owner, after=last_id, limit=max(limit, SEARCH_PAGE) if search else limit
            )
            if page is None:
                return None
            for place, row in enumerate(page.rows):
                past = PastRound(row, await self.summarise(row))
                last_id, searched = row.round_id, searched + 1
                if not search or (past.summary is not None and past.summary.holds(search)):
                    found.append(past)
                if len(found) == limit or searched == SEARCHED_MAX:
                    return PastPage(tuple(found), page.has_more or place + 1 < len(page.rows), last_id)
            if not page.has_more:
                return PastPage(tuple(found), has_more=False, last_id=last_id)

    async def summarise(self, row: RoundRow) -> ReceiptSummary | None:
        """Return what a round's receipt says; None where it has none that is its own.

        Raises:
            StoreError: The receipt cannot be read.
        """
        if row.digest is None:
            return None
        if row.digest not in self._summaries:
            receipt = await self._rounds.read_receipt(row)
            self._summaries[row.digest] = (
                None if receipt is None else await trio.to_thread.run_sync(_read, receipt, row.round_id)
            )
            if len(self._summaries) > SUMMARIES_MAX:
                self._summaries.popitem(last=False)
        return self._summaries[row.digest]


def _read(receipt: bytes, round_id: bytes) -> ReceiptSummary | None:
    try:
        summary = summarise_receipt(receipt)
    except VerificationError:
        return None  # a damaged file says nothing; whoever opens the round sees which check it fails
    return summary if summary.round_id == round_id else None
