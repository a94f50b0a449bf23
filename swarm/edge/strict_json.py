"""JSON files of ours, read strictly: a schema, known fields only, and a bound on their size."""

from typing import TypeVar

import msgspec

from consensus.errors import ConfigError

StructT = TypeVar("StructT", bound=msgspec.Struct)


class _Named(msgspec.Struct):
    schema: str


def encode_json(value: msgspec.Struct) -> bytes:
    """Return a struct as JSON, indented for people, with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def decode_json(
    kind: type[StructT], data: bytes, *, schema: str, bytes_max: int, what: str, remedy: str
) -> StructT:
    """Read JSON of one schema.

    Args:
        kind: A struct that forbids unknown fields.
        data: Any bytes.
        schema: What the field `schema` must say; read first, so that a newer file is called that.
        bytes_max: The most bytes that it may have.
        what: What it is, for errors.
        remedy: What to do where it is none.

    Raises:
        ConfigError: It is not that.
    """
    if len(data) > bytes_max:
        raise ConfigError(f"the {what} has more than {bytes_max} bytes", remedy=remedy)
    try:
        named = msgspec.json.decode(data, type=_Named).schema
        if named != schema:
            raise ConfigError(
                f"the {what} has the schema {named[:64]!r}, expected {schema!r}",
                remedy="read it with the version of peerage that wrote it",
            )
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise ConfigError(f"this is no {what} ({exc})", remedy=remedy) from exc
