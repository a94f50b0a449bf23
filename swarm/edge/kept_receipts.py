"""The receipts that this machine keeps, read without verifying them: fast enough to list a thousand.

What is read here is a receipt's own word. The winner follows from its scores as the decision rule has it,
so that a summary and a verified report of a consistent receipt agree; whether it is consistent,
`consensus.verify` says.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from consensus.bodies import open_answer
from consensus.committee import compute_first_seed, compute_next_seed
from consensus.decision import Status
from consensus.encoding import decode
from consensus.errors import ConfigError, LimitExceeded, PeerError, StoreError, VerificationError
from consensus.evidence import decode_payload
from consensus.genesis import Network, open_network
from consensus.messages import VALUE_BYTES_MAX, Kind, Reveal, Value
from consensus.question import QUESTION_BYTES_MAX, Question, check_question, compute_round_id
from consensus.receipt import RECEIPT_BYTES_MAX, Receipt, ReceiptStep, open_receipt
from ranking.canonical import Q16, Next
from ranking.merge import get_shown_author
from ranking.scores import compute_order

SUFFIX = ".receipt"
NAME_DIGITS = 16  # of the round's id in a receipt's name
SHOWN_MAX = 5  # rounds named where first digits fit several


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptSummary:
    """What a receipt says of its round, not verified.

    Attributes:
        round_id: Of the question's exact bytes.
        network_id: Of the genesis in it.
        question: What the user said last.
        before: What was said before that, system prompt included.
        status: As its last value has it.
        answer: The winner's text; None where there is none.
        is_unanimous: Whether all gave that answer.
        p_best: P(best) of the winner, 0..1; None where nothing was ranked.
    """

    round_id: bytes
    network_id: bytes
    question: str
    before: tuple[str, ...]
    status: Status
    answer: str | None
    is_unanimous: bool
    p_best: float | None

    def holds(self, text: str) -> bool:
        """Say whether question, what was said before it, or answer contains a text, whatever the case."""
        sought = text.casefold()
        return any(sought in said.casefold() for said in (self.question, *self.before, self.answer or ""))


@dataclass(frozen=True, slots=True)
class KeptReceipt:
    """A receipt file: what it says, or where `summary` is None why it says nothing."""

    path: Path
    kept_s: float  # when the file was written, seconds since 1970
    summary: ReceiptSummary | None
    damage: str = ""


@dataclass(frozen=True, slots=True)
class ReceiptFile:
    """A file in the directory of receipts; `kept_s` is when it was written, seconds since 1970."""

    path: Path
    kept_s: float


def summarise_receipt(data: bytes) -> ReceiptSummary:
    """Read a receipt's own word, without a signature checked or a score recomputed.

    Args:
        data: A receipt's bytes.

    Raises:
        VerificationError: It is no receipt, or contradicts itself so that it says nothing.
    """
    receipt = open_receipt(data)
    try:
        network = open_network(receipt.genesis)
        question = decode(Question, receipt.question.payload, bytes_max=QUESTION_BYTES_MAX)
        check_question(question, receipt.question.payload, network)
        return _summarise(receipt, network, question)
    except (PeerError, LimitExceeded) as exc:
        raise VerificationError(1, exc.message) from exc


def _summarise(receipt: Receipt, network: Network, question: Question) -> ReceiptSummary:
    if not receipt.steps:
        raise PeerError("receipt: got no step, expected at least one")
    value = decode(Value, receipt.steps[-1].value, bytes_max=VALUE_BYTES_MAX)
    if value.status not in list(Status) or value.next not in list(Next):
        raise PeerError(f"value: got status {value.status} and decision {value.next}, which do not exist")
    has_winner = value.next == Next.STOP
    texts = [turn.text.decode("utf-8") for turn in question.turns]
    is_ranked = has_winner and len(value.classes) > 1
    return ReceiptSummary(
        round_id=compute_round_id(receipt.question.payload),
        network_id=network.network_id,
        question=texts[-1],
        before=tuple(texts[:-1]),
        status=Status(value.status),
        answer=_read_answer(receipt, value, network, question) if has_winner else None,
        is_unanimous=has_winner and not is_ranked,
        p_best=value.p_best_q16 / Q16 if is_ranked else None,
    )


def _read_answer(receipt: Receipt, value: Value, network: Network, question: Question) -> str:
    """Return the text that stands for the class with the largest score, as the decision rule has it."""
    seeds = [compute_first_seed(network, question)]
    for step in receipt.steps:
        salts = [reveal.salt for _, reveal in _open_reveals(step)]
        seeds.append(compute_next_seed(seeds[-1], tuple(salts)))
    if not value.classes:
        raise PeerError("value: got no class, expected at least one")
    if len(value.classes) == 1:
        authors = value.classes[0]
    elif len(value.scores) != len(value.classes):
        raise PeerError(f"value: got {len(value.scores)} scores of {len(value.classes)} classes")
    else:
        authors = value.classes[compute_order(value.scores, seeds[-1])[0]]
    if not authors or min(authors) < 0:
        raise PeerError("value: got a class without authors")
    shown = get_shown_author(authors, seeds[1])
    for seat, reveal in _open_reveals(receipt.steps[0]):
        if seat == shown:
            return open_answer(reveal.body, tokens_max=question.tokens_max).text.decode("utf-8")
    raise PeerError(f"receipt: got no answer of seat {shown}, which the winner is named by")


def _open_reveals(step: ReceiptStep) -> list[tuple[int, Reveal]]:
    opened = []
    for reveal in step.reveals:
        content = decode_payload(Kind.REVEAL, reveal.payload)
        assert isinstance(content, Reveal), "decoded under its kind"
        opened.append((reveal.signature.seat, content))
    return opened


def list_receipts(directory: Path) -> tuple[ReceiptFile, ...]:
    """Return the receipt files in a directory, the newest first; none where there is no directory.

    Raises:
        StoreError: The directory cannot be read.
    """
    try:
        with os.scandir(directory) as entries:
            found = [
                ReceiptFile(Path(entry.path), entry.stat().st_mtime)
                for entry in entries
                if entry.name.endswith(SUFFIX) and entry.is_file()
            ]
    except FileNotFoundError:
        return ()
    except OSError as exc:
        raise StoreError(
            f"cannot read {directory} ({exc.strerror})", remedy="make that directory readable"
        ) from exc
    return tuple(sorted(found, key=lambda file: (-file.kept_s, file.path.name)))


def read_kept(file: ReceiptFile) -> KeptReceipt:
    """Read one receipt file; whatever is wrong with it is said in the result."""
    try:
        with file.path.open("rb") as opened:
            data = opened.read(RECEIPT_BYTES_MAX + 1)
        return KeptReceipt(file.path, file.kept_s, summarise_receipt(data))
    except OSError as exc:
        return KeptReceipt(file.path, file.kept_s, None, f"cannot be read ({exc.strerror})")
    except VerificationError as exc:
        return KeptReceipt(file.path, file.kept_s, None, exc.message)


def find_receipt(digits: str, directory: Path) -> Path:
    """Return the receipt of the round whose id begins with `digits`, by its name or else by what it says.

    Args:
        digits: Hexadecimal, lower case, at least one.
        directory: Where receipts are kept.

    Raises:
        ConfigError: No round or several rounds are meant.
        StoreError: The directory cannot be read.
    """
    files = list_receipts(directory)
    named = [file for file in files if file.path.stem.startswith(digits[:NAME_DIGITS])]
    found: dict[bytes, Path] = {}
    for kept in map(read_kept, named or files):
        if kept.summary is not None and kept.summary.round_id.hex().startswith(digits):
            found.setdefault(kept.summary.round_id, kept.path)  # of copies the newest
    if len(found) == 1:
        return next(iter(found.values()))
    if not found and len(named) == 1 and len(digits) <= NAME_DIGITS:
        return named[0].path  # damaged: whoever verifies it says how
    which = ", ".join(round_id.hex()[:NAME_DIGITS] for round_id in list(found)[:SHOWN_MAX])
    meant = f"{len(found)} rounds ({which})" if found else "no round"
    raise ConfigError(
        f"{digits[:NAME_DIGITS]} names {meant} of the {len(files)} receipts in {directory}",
        remedy="see `peerage history`, and give more digits or a receipt's file",
    )
