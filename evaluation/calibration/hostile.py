"""Answers that argue with their judge: texts to put behind a wrong one, in `evaluation/data/hostile.json`."""

from importlib.resources import files
from typing import Final

import msgspec

from consensus.errors import ConfigError

HOSTILE_SCHEMA: Final = "peerage.hostile/1"
FILE_NAME: Final = "hostile.json"
ANSWER_MARK: Final = "{answer}"


class HostileText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One attempt on a judge.

    Attributes:
        name: Unique, for people.
        text: What follows the answer; each `{answer}` in it stands for the answer.
    """

    name: str
    text: str

    def attach(self, answer: str) -> str:
        """Return an answer with this text behind it."""
        return f"{answer} {self.text.replace(ANSWER_MARK, answer)}"


class _HostileFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: str
    texts: tuple[HostileText, ...]


def load_hostile_texts() -> tuple[HostileText, ...]:
    """Return the texts that come with the package.

    Raises:
        ConfigError: The package's file is not whole.
    """
    data = files("evaluation").joinpath("data", FILE_NAME).read_bytes()
    try:
        found = msgspec.json.decode(data, type=_HostileFile)
    except msgspec.MsgspecError as exc:
        raise ConfigError(f"{FILE_NAME} is damaged: {exc}", remedy="install the package again") from exc
    if found.schema != HOSTILE_SCHEMA or not found.texts:
        raise ConfigError(
            f"{FILE_NAME} has the schema {found.schema!r} and {len(found.texts)} texts",
            remedy="install the package again",
        )
    return found.texts
