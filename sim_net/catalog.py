"""The shipped scenarios, and manifests by name or by file."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from consensus.errors import ConfigError
from sim_net.keys import make_suggestion
from sim_net.manifest import Manifest
from sim_net.manifest_file import TEXT_BYTES_MAX, decode_manifest, parse_manifest

SUFFIX = ".toml"


@dataclass(frozen=True, slots=True)
class Source:
    """A manifest's text, and where it comes from: a path, or the name of a shipped scenario."""

    origin: str
    text: str


def list_names() -> list[str]:
    """Return the names of the shipped scenarios, sorted."""
    folder = files("sim_net") / "scenarios"
    return sorted(one.name.removesuffix(SUFFIX) for one in folder.iterdir() if one.name.endswith(SUFFIX))


def read_source(name: str) -> Source:
    """Return the text of a shipped scenario, or of a file: what ends in .toml or has a slash is a path.

    Raises:
        ConfigError: There is no such scenario or file.
        ManifestError: The file is too long or no UTF-8.
    """
    if name in list_names():
        path = files("sim_net") / "scenarios" / f"{name}{SUFFIX}"
        return Source(name, path.read_text(encoding="utf-8"))
    if not name.endswith(SUFFIX) and "/" not in name and not Path(name).is_file():
        raise ConfigError(
            f"no scenario or file is called {name!r}", remedy=make_suggestion(name, list_names())
        )
    try:
        with Path(name).open("rb") as opened:
            data = opened.read(TEXT_BYTES_MAX + 1)
    except (OSError, ValueError) as exc:  # ValueError: a path with a zero byte
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise ConfigError(
            f"cannot read {name} ({reason})",
            remedy="check the path; `peerage testnet list` names the scenarios",
        ) from exc
    return Source(name, decode_manifest(data, origin=name))


def open_manifest(name: str) -> Manifest:
    """Read a shipped scenario by name, or a file by path.

    Raises:
        ConfigError: As `read_source`, and `parse_manifest`.
    """
    source = read_source(name)
    return parse_manifest(source.text, origin=source.origin)


def list_scenarios() -> list[Manifest]:
    """Return all shipped scenarios, by name."""
    return [open_manifest(name) for name in list_names()]
