"""Which device a model runs on; imports torch."""

import re

import torch

from models.errors import ModelError

AUTO = "auto"
_KNOWN = re.compile(r"auto|cpu|cuda(?::(?P<index>[0-9]{1,3}))?")


def choose_device(wanted: str | None) -> torch.device:
    """Return the device that is wanted; a named one that is absent is never replaced in silence.

    Args:
        wanted: `auto` or None for the first CUDA device where there is one, else the CPU; or `cpu`, `cuda`,
            `cuda:N`.

    Returns:
        The device.

    Raises:
        ModelError: The name is unknown, or the device is not there.
    """
    text = wanted or AUTO
    found = _KNOWN.fullmatch(text)
    if found is None:
        raise ModelError(
            f"no device is called {text[:64]!r}", remedy="known: auto, cpu, cuda, cuda:0 and so on"
        )
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if text == AUTO:
        return torch.device("cuda" if count else "cpu")
    if text != "cpu" and int(found["index"] or 0) >= count:
        raise ModelError(
            f"the device {text} is not here: this installation of torch sees {count} CUDA devices",
            remedy="use cpu or auto, or install a driver and a build of torch with CUDA",
        )
    return torch.device(text)
