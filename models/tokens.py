"""A tokenizer that reads every text as plain text: no special token can be smuggled in by a peer."""

from pathlib import Path
from types import TracebackType

from tokenizers import Tokenizer

from models.errors import ModelError


class _Translated:
    """Turns the Rust binding's faults, which are all of the bare type Exception, into ModelError."""

    def __init__(self, message: str, remedy: str) -> None:
        self._message = message
        self._remedy = remedy

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, _: TracebackType | None
    ) -> None:
        # Subclasses pass: they would be mistakes of ours.
        if kind is Exception:
            raise ModelError(f"{self._message}: {exc}", remedy=self._remedy) from exc


class PlainTokenizer:
    """Text to token ids and back, with special tokens inert on the way in and final on the way out.

    Args:
        path: A `tokenizer.json`.

    Raises:
        ModelError: The file is absent or unreadable, or one of its added tokens cannot be made inert.
    """

    def __init__(self, path: Path) -> None:
        remedy = "use a model directory that holds a fast tokenizer (tokenizer.json)"
        if not path.is_file():
            raise ModelError(f"{path} is not there", remedy=remedy)
        with _Translated(f"{path} is not a tokenizer", remedy):
            self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        plain = self._tokenizer.encode("a", add_special_tokens=False).ids
        dressed = self._tokenizer.encode("a", add_special_tokens=True).ids
        # What this model wants before any text (nothing for SmolLM2, a start token for others).
        self.start_ids: tuple[int, ...] = (
            tuple(dressed[: dressed.index(plain[0])]) if plain[0] in dressed else ()
        )
        added = self._tokenizer.get_added_tokens_decoder()
        self.end_ids = frozenset(token_id for token_id, token in added.items() if token.special)
        self._tokenizer.encode_special_tokens = True

    def encode(self, text: str) -> list[int]:
        """Return the token ids of `text`, none of which is special whatever the text spells."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: list[int]) -> str:
        """Return the text of `ids`; an incomplete character at the end shows as U+FFFD."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=False)
        return text
