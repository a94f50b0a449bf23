"""Probes that come with the package, by name: `probe:embedded` is one, `probe:./embedded` is a file."""

from functools import cache
from pathlib import Path
from typing import Final

from models.probe import Probe, read_probe

DIRECTORY: Final = Path(__file__).resolve().parent / "probes"
SUFFIX: Final = ".json"


def list_shipped() -> tuple[str, ...]:
    """Return the names of the probes that come with the package."""
    return tuple(sorted(path.name.removesuffix(SUFFIX) for path in DIRECTORY.glob(f"*{SUFFIX}")))


def find_shipped(digest: bytes) -> Probe | None:
    """Return the shipped probe that was learnt from a model; None where there is none.

    Args:
        digest: The model's, 32 bytes.
    """
    return _read_shipped().get(digest)


@cache
def _read_shipped() -> dict[bytes, Probe]:
    probes = (read_probe(locate_probe(name)) for name in list_shipped())
    return {probe.digest: probe for probe in probes}


def locate_probe(name: str) -> Path:
    """Return the file that a name means.

    Args:
        name: A shipped probe's, or the path of a file.
    """
    return DIRECTORY / f"{name}{SUFFIX}" if name in list_shipped() else Path(name)


def name_probe(path: Path) -> str:
    """Return the name that means a file, the same on every machine where the probe came with the package.

    Args:
        path: Absolute.
    """
    return path.name.removesuffix(SUFFIX) if path.parent == DIRECTORY else str(path)
