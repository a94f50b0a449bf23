"""A peer's settings: `peer.toml` in its data directory, written by `peerage peer init`, edited by people."""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from consensus.errors import ConfigError
from consensus.genesis import LABEL_BYTES_MAX
from models.judges.strategy import AUTOMATIC
from swarm.edge.network_urls import is_loopback, parse_listen, parse_url
from swarm.edge.paths import write_private_file

FILE_NAME: Final = "peer.toml"
FILE_BYTES_MAX: Final = 65_536
ADVERTISED_MAX: Final = 4
MEMORY_MB_MIN: Final = 256
THREADS_MAX: Final = 1_024
ROUNDS_PER_HOUR_MAX: Final = 100_000
STORE_MB_MIN: Final = 16
STORE_MB_MAX: Final = 3_584  # the database refuses to grow beyond 4 GiB (`swarm.edge.store`)
LOOPBACK_ANY_PORT: Final = "127.0.0.1:0"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerConfig:
    """How one peer runs.

    Args:
        label: What it calls itself; shown, and proves nothing. At most 64 bytes of UTF-8.
        model: What `models.catalog.open_model` reads.
        judge: A strategy, or `auto`.
        listen: HOST:PORT to accept links on, port 0 for any free one; empty for a peer that only dials out.
        advertise: wss:// URLs at which others reach it; empty where nobody can, then it is served through
            the peers that it dials.
        memory_mb: Resident memory beyond which it takes no more rounds, MiB; 0 for no limit.
        threads: Threads that its model computes with; 0 leaves it to the model.
        rounds_per_hour: Rounds that it takes part in within an hour; 0 for no limit.
        store_mb: Size of its database beyond which the rounds that ended first are forgotten, MiB; 0 for
            no limit.
        metrics: HOST:PORT of its metrics and health, loopback only; empty for none.

    Raises:
        ConfigError: A value is out of its bounds.
    """

    label: str
    model: str = "embedded"
    judge: str = AUTOMATIC
    listen: str = LOOPBACK_ANY_PORT
    advertise: tuple[str, ...] = ()
    memory_mb: int = 0
    threads: int = 0
    rounds_per_hour: int = 0
    store_mb: int = 2_048
    metrics: str = LOOPBACK_ANY_PORT

    def __post_init__(self) -> None:
        if not 1 <= len(self.label.encode("utf-8")) <= LABEL_BYTES_MAX or not self.label.isprintable():
            raise _refuse("label", self.label, f"1 to {LABEL_BYTES_MAX} printable bytes")
        for name in ("listen", "metrics"):
            value: str = getattr(self, name)
            if value:
                parse_listen(value)
        if self.metrics and not is_loopback(parse_listen(self.metrics)[0]):
            raise _refuse("metrics", self.metrics, "an address of this machine only, such as 127.0.0.1:9464")
        if len(self.advertise) > ADVERTISED_MAX:
            raise _refuse("advertise", self.advertise, f"at most {ADVERTISED_MAX} URLs")
        for url in self.advertise:
            parse_url(url)
        if self.advertise and not self.listen:
            raise _refuse("advertise", self.advertise, "nothing, because it listens nowhere")
        if self.memory_mb != 0 and self.memory_mb < MEMORY_MB_MIN:
            raise _refuse("memory_mb", self.memory_mb, f"0 for no limit, or at least {MEMORY_MB_MIN}")
        if not 0 <= self.threads <= THREADS_MAX:
            raise _refuse("threads", self.threads, f"0 to {THREADS_MAX}")
        if not 0 <= self.rounds_per_hour <= ROUNDS_PER_HOUR_MAX:
            raise _refuse("rounds_per_hour", self.rounds_per_hour, f"0 to {ROUNDS_PER_HOUR_MAX}")
        if self.store_mb != 0 and not STORE_MB_MIN <= self.store_mb <= STORE_MB_MAX:
            raise _refuse("store_mb", self.store_mb, f"0 to keep all, or {STORE_MB_MIN} to {STORE_MB_MAX}")

    @property
    def is_outbound_only(self) -> bool:
        """Whether nobody can dial it."""
        return not self.advertise


def _refuse(name: str, got: object, expected: str) -> ConfigError:
    return ConfigError(f"{name} is {got!r}, expected {expected}", remedy=f"mend {name} in {FILE_NAME}")


def get_config_path(directory: Path) -> Path:
    """Return where a peer's settings lie."""
    return directory / FILE_NAME


def write_peer_config(directory: Path, config: PeerConfig) -> Path:
    """Write a peer's settings, whole or not at all; returns their path.

    Raises:
        StoreError: They cannot be written.
    """
    lines = ["# How this peer runs; `peerage peer run` reads it when it starts."]
    for field in fields(config):
        lines.append(f"{field.name} = {_format(getattr(config, field.name))}")
    path = get_config_path(directory)
    write_private_file(path, ("\n".join(lines) + "\n").encode("utf-8"))
    return path


def _format(value: object) -> str:
    """Return a value as TOML; strings are printable, so that two characters need escaping."""
    match value:
        case str():
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
        case tuple():
            return f"[{', '.join(map(_format, value))}]"
        case _:
            return str(value)


def read_peer_config(directory: Path) -> PeerConfig:
    """Read a peer's settings.

    Raises:
        ConfigError: There are none, they are no TOML, or a value is unknown or out of its bounds.
    """
    path = get_config_path(directory)
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError as exc:
        raise ConfigError(
            f"there is no peer in {directory}", remedy=f"make one: peerage peer init --dir {directory}"
        ) from exc
    except OSError as exc:
        raise ConfigError(f"cannot read {path} ({exc.strerror})", remedy="make it readable") from exc
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(f"{path} has more than {FILE_BYTES_MAX} bytes", remedy="it is no peer.toml")
    try:
        values = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ConfigError(f"{path} is no TOML: {exc}", remedy="mend that line") from exc
    return _read_values(values, path)


def _read_values(values: dict[str, object], path: Path) -> PeerConfig:
    known = {field.name: field for field in fields(PeerConfig)}
    read: dict[str, object] = {}
    for name, value in values.items():
        if name not in known:
            raise ConfigError(
                f"{path}: there is no setting {name[:64]!r}", remedy=f"known: {', '.join(known)}"
            )
        read[name] = _read_value(name, value, path)
    if "label" not in read:
        raise ConfigError(f"{path}: label is missing", remedy='add a line such as label = "alice"')
    return PeerConfig(**read)  # type: ignore[arg-type]  # checked just above, by name


def _read_value(name: str, value: object, path: Path) -> object:
    if name == "advertise":
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return tuple(value)
        expected = "a list of URLs"
    elif name in ("memory_mb", "threads", "rounds_per_hour", "store_mb"):
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        expected = "a whole number"
    elif isinstance(value, str):
        return value
    else:
        expected = "a text"
    raise ConfigError(f"{path}: {name} is {value!r}, expected {expected}", remedy=f"mend {name}")
