"""The embedded model made worse on purpose, by a rule that anyone can repeat: noise on weights, fewer layers.

A swarm of equals says little about how a swarm tells good peers from bad ones. These are real models of
falling quality, which cost no download: `embedded:noise=0.2,seed=3`, `embedded:layers=24`.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from models.errors import ModelError
from models.weights import EMBEDDED_NAME

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from transformers import PreTrainedModel

EMBEDDED_LAYERS: Final = 30
EMBEDDED_LAYER_PARAMETERS: Final = 3_540_096
NOISE_MAX: Final = 10.0
SEED_MAX: Final = 2**32 - 1
KEYS: Final = ("noise", "seed", "layers")
KNOWN: Final = f"{EMBEDDED_NAME}:noise=0.2,seed=3, {EMBEDDED_NAME}:layers=24, or both"
_TAG: Final = b"peerage/1/degraded\x00"
_SHOWN_CHARS: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Degradation:
    """How the embedded model is made worse.

    Args:
        noise: Standard deviation of the noise on each weight tensor, in standard deviations of that tensor's
            own values; 0 for none.
        seed: Of the noise.
        layers: How many of the first layers stay; None for all.
    """

    noise: float = 0.0
    seed: int = 0
    layers: int | None = None

    @property
    def name(self) -> str:
        """The specification in its one canonical form, which names the model for people."""
        parts = [f"noise={self.noise!r},seed={self.seed}"] if self.noise else []
        parts += [] if self.layers is None else [f"layers={self.layers}"]
        return f"{EMBEDDED_NAME}:{','.join(parts)}"

    @property
    def lost_parameters(self) -> int:
        """How many parameters the layers had that are gone."""
        return 0 if self.layers is None else (EMBEDDED_LAYERS - self.layers) * EMBEDDED_LAYER_PARAMETERS

    def compute_digest(self, base: bytes) -> bytes:
        """Return the SHA-256 that names the weights: of the base's digest and the canonical parameters."""
        return hashlib.sha256(_TAG + base + self.name.encode("ascii")).digest()


def is_degraded(spec: str) -> bool:
    """Say whether a specification means the embedded model made worse, rightly written or not."""
    return spec.partition(":")[0] == EMBEDDED_NAME and ":" in spec


def parse_degraded(spec: str) -> Degradation:
    """Read a specification.

    Args:
        spec: `embedded:` and any of `noise`, `seed` (with noise) and `layers`, each with its value.

    Raises:
        ModelError: A key is unknown, given twice or has no noise to seed; a value is out of bounds.
    """
    shown = spec if len(spec) <= _SHOWN_CHARS else f"{spec[:_SHOWN_CHARS]}…"
    values: dict[str, str] = {}
    for part in spec.partition(":")[2].split(","):
        key, _, value = (piece.strip() for piece in part.partition("="))
        if key not in KEYS:
            near = get_close_matches(key[:_SHOWN_CHARS], KEYS, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ModelError(
                f"{shown!r}: got the key {key[:_SHOWN_CHARS]!r}, expected {', '.join(KEYS)}",
                remedy=f"{hint}write {KNOWN}",
            )
        if key in values:
            raise ModelError(f"{shown!r}: {key} is given twice", remedy="give it once")
        values[key] = value
    if "seed" in values and "noise" not in values:
        raise ModelError(f"{shown!r}: a seed without noise changes nothing", remedy=f"write {KNOWN}")
    return Degradation(
        noise=_read_noise(shown, values["noise"]) if "noise" in values else 0.0,
        seed=_read_whole(shown, "seed", values["seed"], 0, SEED_MAX) if "seed" in values else 0,
        layers=_read_whole(shown, "layers", values["layers"], 1, EMBEDDED_LAYERS - 1)
        if "layers" in values
        else None,
    )


def _read_noise(shown: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 < value <= NOISE_MAX:
        raise ModelError(
            f"{shown!r}: noise is {text[:_SHOWN_CHARS]!r}, expected a number above 0 and up to {NOISE_MAX:g}",
            remedy="write noise=0.2",
        )
    return value


def _read_whole(shown: str, key: str, text: str, low: int, high: int) -> int:
    digits = len(str(high))
    # isdecimal takes digits of every script, and int reads them all alike.
    if text.isascii() and text.isdecimal() and len(text) <= digits and low <= int(text) <= high:
        return int(text)
    raise ModelError(
        f"{shown!r}: {key} is {text[:_SHOWN_CHARS]!r}, expected a whole number from {low} to {high}",
        remedy=f"write {key}={high if key == 'layers' else 3}",
    )


def make_alteration(degradation: Degradation) -> "Callable[[PreTrainedModel], None]":
    """Return what makes a loaded model worse in place, the same way every time."""

    def alter(model: "PreTrainedModel") -> None:
        if degradation.layers is not None:
            _cut_layers(model, degradation.layers)
        if degradation.noise:
            _add_noise(model, degradation)

    return alter


def _cut_layers(model: "PreTrainedModel", layers: int) -> None:
    import torch

    config = model.config.get_text_config(decoder=True)
    if layers >= config.num_hidden_layers:
        raise ModelError(
            f"the model has {config.num_hidden_layers} layers, and {layers} of them are to stay",
            remedy=f"name fewer than {config.num_hidden_layers}",
        )
    stack = model.base_model
    stack.layers = torch.nn.ModuleList(list(stack.get_submodule("layers").children())[:layers])
    config.num_hidden_layers = layers
    kinds = getattr(config, "layer_types", None)
    if kinds is not None:
        config.layer_types = kinds[:layers]


def _add_noise(model: "PreTrainedModel", degradation: Degradation) -> None:
    import numpy as np
    import torch

    with torch.no_grad():
        # Tensors that are shared, such as tied embeddings, come once.
        for name, parameter in model.named_parameters():
            values: npt.NDArray[np.float32] = parameter.detach().float().cpu().numpy()
            noise = draw_noise(degradation.seed, name, values.shape)
            spread = np.float32(degradation.noise * float(values.std(dtype=np.float64)))
            parameter.copy_(torch.from_numpy(values + spread * noise))


def draw_noise(seed: int, name: str, shape: tuple[int, ...]) -> "npt.NDArray[np.float32]":
    """Return unit normals that depend on seed and tensor name alone.

    They are NumPy's, not torch's, whose normals differ between processors.

    Args:
        seed: Of the noise.
        name: Of the weight tensor.
        shape: Of the weight tensor.

    Returns:
        float32 of that shape.
    """
    import numpy as np

    drawn = hashlib.sha256(_TAG + seed.to_bytes(8, "big") + name.encode("utf-8")).digest()
    generator = np.random.Generator(np.random.PCG64(int.from_bytes(drawn, "big")))
    return generator.standard_normal(shape, dtype=np.float32)
