"""One line that runs a testnet again: where its manifest comes from, what was changed in it, and the seed.

`0.1.0 lossy seed=7 set=network.loss=0.2 without=fault.2 manifest=1f00ab34`: version, source, and words in any
order, as a shell writes them. `manifest` is the start of the digest of the canonical manifest, so that a line
never runs something else than it was printed for.
"""

import hashlib
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace

from consensus.errors import ConfigError
from sim_net.catalog import open_manifest
from sim_net.fuzz import FUZZ_SOURCE, draw_manifest
from sim_net.manifest import Manifest
from sim_net.manifest_file import render_manifest
from sim_net.overrides import apply_overrides, without
from sim_net.summary import get_version

DIGEST_CHARS = 12
_PLAIN = re.compile(r"[\w@%+=:,./()\-\[\]]+", re.ASCII)
_EXAMPLE = "copy it whole, with its quotes, as a run printed it"


@dataclass(frozen=True, slots=True)
class Line:
    """A replay line.

    Attributes:
        source: A shipped scenario, a file, or `fuzz` for a manifest drawn from the seed.
        seed: The seed.
        sets: Changes to the manifest, `key=value`.
        drops: Faults and adversaries left out, such as `fault.2`.
        version: Version that printed it.
        digest: Start of the manifest's digest; empty where it was not printed yet.
    """

    source: str
    seed: int
    sets: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    version: str = ""
    digest: str = ""

    def render(self) -> str:
        """Return the line."""
        words = [self.version or get_version(), self.source, f"seed={self.seed}"]
        words += [f"set={change}" for change in self.sets]
        words += [f"without={drop}" for drop in self.drops]
        if self.digest:
            words.append(f"manifest={self.digest}")
        return " ".join(map(_quote, words))

    @property
    def command(self) -> str:
        """The command that replays it."""
        return f"peerage testnet replay {shlex.quote(self.render())}"


def _quote(word: str) -> str:
    """Quote a word for `shlex.split`, with the quotes that look well inside those of a shell."""
    if _PLAIN.fullmatch(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def parse_line(text: str) -> Line:
    """Read a replay line.

    Raises:
        ConfigError: It is no such line.
    """
    try:
        words = shlex.split(text)
    except ValueError as exc:
        raise ConfigError(f"the replay line cannot be read: {exc}", remedy=_EXAMPLE) from exc
    if len(words) < 3:
        raise ConfigError(
            f"got a replay line of {len(words)} words, expected version, source and seed", remedy=_EXAMPLE
        )
    version, source, *rest = words
    line = Line(source=source, seed=-1, version=version)
    for word in rest:
        name, _, value = word.partition("=")
        match name:
            case "seed" if value.isascii() and value.isdigit():
                line = replace(line, seed=int(value))
            case "set":
                line = replace(line, sets=(*line.sets, value))
            case "without":
                line = replace(line, drops=(*line.drops, value))
            case "manifest":
                line = replace(line, digest=value)
            case _:
                raise ConfigError(f"the replay line has {word!r}, which means nothing", remedy=_EXAMPLE)
    if line.seed < 0:
        raise ConfigError("the replay line has no seed", remedy=_EXAMPLE)
    return line


def open_line(line: Line, *, warn: Callable[[str], None] = lambda _: None) -> tuple[Line, Manifest]:
    """Make the manifest that a line names.

    Args:
        line: The line; its digest is checked where it has one.
        warn: Told what may make the run differ.

    Returns:
        The line with version and digest filled in, and the manifest with all changes applied.

    Raises:
        ConfigError: The manifest cannot be had, or is not the one the line was printed for.
    """
    base = draw_manifest(line.seed) if line.source == FUZZ_SOURCE else open_manifest(line.source)
    manifest = without(apply_overrides(base, line.sets), line.drops)
    digest = hashlib.sha256(render_manifest(manifest).encode()).hexdigest()[:DIGEST_CHARS]
    version = get_version()
    if line.version and line.version != version:
        warn(f"the line was printed by version {line.version}, this is {version}: the run may differ")
    if line.digest and line.digest != digest:
        raise ConfigError(
            f"the manifest of {line.source!r} is {digest}, expected {line.digest}: it has changed",
            remedy="replay with the version and file that printed the line, or run it anew with testnet run",
        )
    return replace(line, version=version, digest=digest), manifest
