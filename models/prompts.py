"""Few-shot prompts that a 135M model can follow, different for every peer; foreign texts stay data.

Raw `Question:` / `Answer:` lines beat the chat template by a wide margin at this size. Whatever comes from
another peer or an asker is put on one line by `as_line`, so it cannot open a line of its own, or between
fences that it cannot close by `fence`. Special tokens spelt in it are inert in every backend.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from models.contract import Prompt
from models.errors import ModelError
from models.examples import choose_examples

ANSWER_CHARS_MAX = 1_024
FENCE_CHARS_MAX = 4_096
FENCE_NONCE_BYTES_MIN = 8
STOP_STRINGS = ("\n",)
CANDIDATE = "Answer"  # label of a candidate, before its letter
# Embedded model, 5 peers, 60 questions of 7 kinds, at temperatures 0 / 0.2 / 0.3 / 0.5: majority of 5 right
# .400 / .453 / .428 / .412, some peer right .567 / .633 / .600 / .633, candidates 2.2 / 2.5 / 2.5 / 3.0. A
# share of 60 is known to 13 points either way, so this is the middle of a flat stretch and no more; with an
# earlier set of examples single answers fell from .36 (greedy) to .29 at 0.7 and .19 at 1.0.
DEFAULT_TEMPERATURE_MILLI = 300
DEFAULT_MAX_TOKENS = 64

# A search goes on behind the closing line, so nothing that stands within a fence is found.
_LABELLED = re.compile(
    r"^(?P<name>[A-Za-z0-9 ]+):\n<<<text (?P<mark>[0-9a-f]+)\n(?P<text>.*?)\ntext (?P=mark)>>>$", re.M | re.S
)
_JOINERS = frozenset("\u200c\u200d")
_TO_SPACE = frozenset({"Cc", "Zl", "Zp", "Zs", "Cs"})


class Role(Enum):
    """Who speaks in a conversation."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: Role
    text: str


def as_line(text: str) -> str:
    """Put `text` on one line: control characters and every kind of line break or space become one space.

    Invisible format characters are dropped, except the two joiners that scripts and emoji need; so nothing
    can start a new `Question:` or `Answer:` line or turn the writing direction of what follows.
    """
    kept = []
    for character in text:
        category = unicodedata.category(character)
        if category in _TO_SPACE:
            kept.append(" ")
        elif category != "Cf" or character in _JOINERS:
            kept.append(character)
    return " ".join("".join(kept).split())


def clean_answer(text: str) -> str:
    """Return a model's answer as one stripped line of at most ANSWER_CHARS_MAX characters."""
    return as_line(text)[:ANSWER_CHARS_MAX].rstrip()


def fence(text: str, nonce: bytes, *, chars_max: int = FENCE_CHARS_MAX) -> str:
    """Put foreign text between two lines that carry a nonce and that the text cannot close.

    Args:
        text: Data of a peer; its line breaks are kept, other control characters become spaces, and it is cut
            at `chars_max` characters.
        nonce: At least FENCE_NONCE_BYTES_MIN fresh bytes; what the text holds of their hex form is removed.
        chars_max: Most characters kept.

    Returns:
        Three parts on lines of their own: opening, text, closing.

    Raises:
        ModelError: The nonce is too short.
    """
    if len(nonce) < FENCE_NONCE_BYTES_MIN:
        raise ModelError(f"the fence nonce has {len(nonce)} bytes, expected at least {FENCE_NONCE_BYTES_MIN}")
    mark = nonce.hex()
    body = "\n".join(as_line(line) for line in text[:chars_max].splitlines())
    # Again and again: what is left on both sides of a mark may make another one. Not by lower(), which may
    # change a text's length.
    marks = re.compile(mark, re.ASCII | re.IGNORECASE)
    while marks.search(body):
        body = marks.sub("", body)
    return f"<<<text {mark}\n{body}\ntext {mark}>>>"


def label(name: str, text: str, nonce: bytes, *, chars_max: int = FENCE_CHARS_MAX) -> str:
    """Put foreign text under a label of ours, fenced, so that a prompt can speak of it by name.

    Args:
        name: What the prompt calls it: letters, digits and spaces.
        text: Data of a peer; see `fence`.
        nonce: See `fence`; one prompt's texts may share it.
        chars_max: Most characters kept.

    Returns:
        The label's line, then the fence, ending in a line break.
    """
    return f"{name}:\n{fence(text, nonce, chars_max=chars_max)}\n"


def get_labelled_texts(text: str) -> Mapping[str, str]:
    """Read back what `label` put into a prompt, by name: what a label within a fence says is data.

    Where a name stands twice outside all fences, the last counts.
    """
    return {found["name"]: found["text"] for found in _LABELLED.finditer(text)}


def answer_prompt(messages: Sequence[Message], peer_key: bytes) -> Prompt:
    """Build one peer's prompt for a conversation.

    Args:
        messages: The conversation; the last one is the user's question.
        peer_key: The peer's public key; with the question it chooses the examples (`models.examples`).

    Returns:
        System text (if any) and the examples as prefix, the same for answering and for judging; earlier turns
        and the question as suffix, ending in `Answer:`.

    Raises:
        ModelError: There is no message, the last one is not the user's, or the question is blank.
    """
    if not messages or messages[-1].role is not Role.USER:
        raise ModelError(
            "the conversation does not end in a question", remedy="let the last message be the user's"
        )
    question = as_line(messages[-1].text)
    if not question:
        raise ModelError("the question is empty", remedy="ask something")
    system = " ".join(as_line(message.text) for message in messages if message.role is Role.SYSTEM).strip()
    head = f"{system}\n\n" if system else ""
    examples = choose_examples(question, peer_key)
    shown = "".join(
        f"Question: {shot.question}\nAnswer: {shot.answer}\n\n" for shot in (*examples.own, *examples.like)
    )
    return Prompt(prefix=head + shown, suffix=_render_turns(messages) + "Answer:")


def _render_turns(messages: Sequence[Message]) -> str:
    lines = []
    for message in messages:
        if message.role is Role.USER:
            lines.append(f"Question: {as_line(message.text)}\n")
        elif message.role is Role.ASSISTANT:
            lines.append(f"Answer: {as_line(message.text)}\n\n")
    return "".join(lines)
