"""A probe: what a model's hidden state says of an answer, as one direction learnt from labelled questions.

It belongs to the model whose states it was learnt from, by digest, and to the kinds of question it was learnt
on: elsewhere it did worse than a plain vote (research notes, second experiment).
"""

import base64
import binascii
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from models.errors import ModelError

PROBE_SCHEMA: Final = "peerage.probe/1"
PROBE_BYTES_MAX: Final = 65_536
WIDTH_MAX: Final = 12_000
"""Widest state of a model that fits PROBE_BYTES_MAX, as float32 in base64."""
WEIGHT_MAX: Final = 1e6
"""Largest weight, as a size; a larger one is damage, not learning."""
LAYER_MAX: Final = 1_024
DIGEST_BYTES: Final = 32
REMEDY: Final = "train it again: peerage models calibrate MODEL --tasks FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A learnt judge of answers; a larger merit is a better answer to the same question.

    Args:
        path: The file it is kept in, absolute.
        digest: SHA-256 of the model it belongs to, 32 bytes.
        layer: After which layer states are read, from 1.
        direction: Weight of each value of a state; its length is the model's width.
        logprob_weight: Weight of the answer's summed log-probability, a nat.
        tasks: What it was learnt on, for people.
    """

    path: Path
    digest: bytes
    layer: int
    direction: tuple[float, ...]
    logprob_weight: float
    tasks: str

    def compute_merit(self, state: tuple[float, ...], logprob: float) -> float:
        """Return the merit of an answer, nats; differences of merits are log-odds.

        Args:
            state: `(width,)`, after the probe's layer at the line break behind the answer.
            logprob: Of the answer, nats.

        Raises:
            ModelError: The state has another width, or the merit is no number.
        """
        if len(state) != len(self.direction):
            raise ModelError(
                f"the hidden state has {len(state)} values, and the probe {self.path} is for "
                f"{len(self.direction)}",
                remedy=REMEDY,
            )
        products = (weight * value for weight, value in zip(self.direction, state, strict=True))
        merit = self.logprob_weight * logprob + math.fsum(products)
        if not math.isfinite(merit):
            raise ModelError(f"the merit of an answer is {merit}, expected a finite one")
        return merit


class _ProbeFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file holds; `direction` is little-endian float32 in base64."""

    schema: str
    digest: str
    layer: int
    width: int
    direction: str
    logprob_weight: float
    tasks: str


def encode_probe(probe: Probe) -> bytes:
    """Return the bytes of a probe's file.

    Raises:
        ModelError: They would be more than PROBE_BYTES_MAX, or a weight is out of its bounds.
    """
    values = probe.direction
    if not _are_weights((*values, probe.logprob_weight)):
        raise ModelError(
            f"a weight of the probe is not within {WEIGHT_MAX:g}", remedy="learn it from more questions"
        )
    file = _ProbeFile(
        schema=PROBE_SCHEMA,
        digest=probe.digest.hex(),
        layer=probe.layer,
        width=len(values),
        direction=base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode("ascii"),
        logprob_weight=probe.logprob_weight,
        tasks=probe.tasks,
    )
    data = msgspec.json.encode(file) + b"\n"
    if len(data) > PROBE_BYTES_MAX or len(values) > WIDTH_MAX:
        raise ModelError(
            f"a probe of {len(values)} values takes {len(data)} bytes, expected at most {PROBE_BYTES_MAX}",
            remedy="calibrate a model with narrower hidden states",
        )
    return data


def read_probe(path: Path) -> Probe:
    """Read a probe.

    Raises:
        ModelError: There is none, it cannot be read, or something in it is out of its bounds.
    """
    try:
        absolute = path.expanduser().resolve()
        with absolute.open("rb") as file:
            data = file.read(PROBE_BYTES_MAX + 1)
    except (OSError, ValueError, RuntimeError) as exc:
        raise ModelError(f"cannot read the probe {str(path)[:256]!r}: {exc}", remedy=REMEDY) from exc
    return decode_probe(data, absolute)


def decode_probe(data: bytes, path: Path) -> Probe:
    """Read a probe from the bytes of its file.

    Args:
        data: Any bytes.
        path: Where they come from, absolute.

    Raises:
        ModelError: They are no probe.
    """
    if len(data) > PROBE_BYTES_MAX:
        raise _refuse(path, f"it has more than {PROBE_BYTES_MAX} bytes")
    try:
        file = msgspec.json.decode(data, type=_ProbeFile)
        digest = bytes.fromhex(file.digest)
        raw = base64.b64decode(file.direction, validate=True)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, binascii.Error, RecursionError) as exc:
        raise _refuse(path, str(exc)) from exc
    problems = (
        (file.schema != PROBE_SCHEMA, f"its schema is {file.schema[:64]!r}, expected {PROBE_SCHEMA!r}"),
        (len(digest) != DIGEST_BYTES, f"its digest has {len(digest)} bytes, expected {DIGEST_BYTES}"),
        (not 1 <= file.layer <= LAYER_MAX, f"its layer is {file.layer}, expected 1 to {LAYER_MAX}"),
        (not 1 <= file.width <= WIDTH_MAX, f"its width is {file.width}, expected 1 to {WIDTH_MAX}"),
        (len(raw) != 4 * file.width, f"its direction has {len(raw)} bytes, expected {4 * file.width}"),
        (not _are_weights((file.logprob_weight,)), f"its weight is {file.logprob_weight}"),
    )
    for is_wrong, why in problems:
        if is_wrong:
            raise _refuse(path, why)
    direction: tuple[float, ...] = struct.unpack(f"<{file.width}f", raw)
    if not _are_weights(direction):
        raise _refuse(path, f"a value of its direction is not within {WEIGHT_MAX:g}")
    return Probe(
        path=path,
        digest=digest,
        layer=file.layer,
        direction=direction,
        logprob_weight=file.logprob_weight,
        tasks=file.tasks,
    )


def _are_weights(values: tuple[float, ...]) -> bool:
    return all(abs(value) <= WEIGHT_MAX for value in values)  # which no NaN is


def _refuse(path: Path, why: str) -> ModelError:
    return ModelError(f"{path} is no probe that can be used: {why}", remedy=REMEDY)
