"""A peer's settings as they are asked for: one table, for flags and wizard alike."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import click

from consensus.errors import ConfigError, PeerageError
from models.errors import ModelError
from swarm.cli.render import echo_note
from swarm.edge.peer_config import FILE_NAME, PeerConfig

NONE = "none"
Given = str | tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting.

    Args:
        name: Its name in `PeerConfig`, in peer.toml and, with dashes, of its flag.
        metavar: What stands for its value in the help.
        question: What the wizard asks.
        help: What the flag's help says.
        default: What holds where nobody says otherwise, as text; empty where that is different each time.
        is_optional: Whether the word `none` leaves it empty.
    """

    name: str
    metavar: str
    question: str
    help: str
    default: str
    is_optional: bool = False

    @property
    def flag(self) -> str:
        """The long flag that gives it."""
        return f"--{self.name.replace('_', '-')}"


def _compute_default(name: str) -> str:
    value = getattr(PeerConfig(label="-"), name)
    return (" ".join(value) if isinstance(value, tuple) else str(value)) or NONE


SETTINGS = (
    Setting(
        name="label",
        metavar="NAME",
        question="What is this peer called? Others see it",
        help="What the peer calls itself; others see it, it proves nothing.  [default: peer- and its key]",
        default="",
    ),
    Setting(
        name="model",
        metavar="NAME",
        question="Which model does it run? (`peerage models list`)",
        help="embedded, a directory, openai:MODEL@URL or hf:OWNER/NAME; see `peerage models`.",
        default=_compute_default("model"),
    ),
    Setting(
        name="judge",
        metavar="NAME",
        question="How does it judge?",
        help="auto, or a strategy; see `peerage ask --help`.",
        default=_compute_default("judge"),
    ),
    Setting(
        name="listen",
        metavar="HOST:PORT",
        question="Where does it accept links? HOST:PORT, or none to dial out only",
        help="HOST:PORT to accept links on, port 0 for a free one; none to dial out only.",
        default=_compute_default("listen"),
        is_optional=True,
    ),
    Setting(
        name="advertise",
        metavar="URL",
        question="At which wss:// URLs can others reach it? none if they cannot",
        help="A wss:// URL at which others reach it; may be repeated.",
        default=_compute_default("advertise"),
        is_optional=True,
    ),
    Setting(
        name="memory_mb",
        metavar="MIB",
        question="With how many MiB of memory in use does it take no more rounds? 0 for no limit",
        help="MiB of memory in use beyond which it takes no more rounds; 0 for no limit.",
        default=_compute_default("memory_mb"),
    ),
    Setting(
        name="threads",
        metavar="N",
        question="How many threads may its model use? 0 leaves it to the model",
        help="Threads that its model computes with; 0 leaves it to the model.",
        default=_compute_default("threads"),
    ),
    Setting(
        name="rounds_per_hour",
        metavar="N",
        question="In how many rounds an hour does it take part? 0 for no limit",
        help="Rounds that it takes part in within an hour; 0 for no limit.",
        default=_compute_default("rounds_per_hour"),
    ),
    Setting(
        name="store_mb",
        metavar="MIB",
        question="With how many MiB on disk does it forget its oldest rounds? 0 keeps all",
        help="MiB of its database beyond which it forgets its oldest rounds; 0 keeps all.",
        default=_compute_default("store_mb"),
    ),
    Setting(
        name="metrics",
        metavar="HOST:PORT",
        question="Where does it show metrics and health? HOST:PORT on loopback, or none",
        help="HOST:PORT of its metrics and health, loopback only; none for nowhere.",
        default=_compute_default("metrics"),
        is_optional=True,
    ),
)


def create_options() -> list[click.Parameter]:
    """Return one flag for each setting; a command is passed None or () for those that are not given."""
    return [
        click.Option(
            [setting.flag, setting.name],
            metavar=setting.metavar,
            multiple=setting.name == "advertise",
            help=setting.help + (f"  [default: {setting.default}]" if setting.default else ""),
        )
        for setting in SETTINGS
    ]


def read_settings(given: Mapping[str, Given], *, label: str, asks: bool) -> PeerConfig:
    """Make a peer's settings of what flags say, and of what the wizard is answered about the rest.

    Args:
        given: By name what the flags say; None or empty where they say nothing.
        label: What the peer is called where nobody says.
        asks: Whether whoever sits there is asked what no flag says.

    Raises:
        ConfigError: A flag's value cannot be.
        ModelError: A model or judge is not known.
    """
    config = PeerConfig(label=label)
    for setting in SETTINGS:
        value = given[setting.name]
        if value is not None and value != ():
            config = _apply_flag(config, setting, " ".join(value) if isinstance(value, tuple) else value)
        elif asks:
            config = _ask(config, setting)
    return config


def _apply_flag(config: PeerConfig, setting: Setting, text: str) -> PeerConfig:
    try:
        return _apply(config, setting, text)
    except ConfigError as exc:  # of what is in no file yet
        remedy = exc.remedy.replace(f"{setting.name} in {FILE_NAME}", setting.flag)
        raise ConfigError(exc.message, remedy=remedy) from exc


def _ask(config: PeerConfig, setting: Setting) -> PeerConfig:
    """Ask until the answer can be; Ctrl-C ends it."""
    while True:
        answer = click.prompt(setting.question, default=setting.default or config.label, err=True, type=str)
        try:
            return _apply(config, setting, answer)
        except (PeerageError, ModelError) as exc:
            echo_note(f"  {exc.message}")


def _apply(config: PeerConfig, setting: Setting, text: str) -> PeerConfig:
    text = text.strip()
    if setting.is_optional and text == NONE:
        text = ""
    match setting.name:
        case "label":
            return replace(config, label=_check_label(text))
        case "model":
            return replace(config, model=_check_model(text))
        case "judge":
            return replace(config, judge=_check_judge(text))
        case "listen":
            return replace(config, listen=text)
        case "advertise":
            return replace(config, advertise=tuple(text.split()))
        case "memory_mb":
            return replace(config, memory_mb=_read_number(setting, text))
        case "threads":
            return replace(config, threads=_read_number(setting, text))
        case "rounds_per_hour":
            return replace(config, rounds_per_hour=_read_number(setting, text))
        case "store_mb":
            return replace(config, store_mb=_read_number(setting, text))
        case _:
            return replace(config, metrics=text)


def _read_number(setting: Setting, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise ConfigError(
            f"{setting.name} is {text[:64]!r}, expected a whole number",
            remedy=f"the default is {setting.default}",
        )
    return int(text)


def _check_label(text: str) -> str:
    if "=" in text:
        raise ConfigError(
            f"label is {text[:64]!r}, expected none with =", remedy="networks list members as LABEL=KEY"
        )
    return text


def _check_judge(text: str) -> str:
    from models.judges.strategy import AUTOMATIC, parse_strategy

    if text != AUTOMATIC:
        parse_strategy(text)
    return text


def _check_model(text: str) -> str:
    """Return a specification that can be; whether the model can be had shows when the peer runs."""
    from models.catalog import ensure_model
    from models.degraded import is_degraded, parse_degraded
    from models.hub_records import is_hub, parse_hub
    from models.openai_spec import is_openai, parse_openai
    from models.scripted import SCRIPTED_NAME, parse_scripted
    from models.weights import EMBEDDED_NAME

    if is_openai(text):
        parse_openai(text, os.environ)
    elif is_hub(text):
        parse_hub(text)
    elif is_degraded(text):
        parse_degraded(text)
    elif text.partition(":")[0] == SCRIPTED_NAME:
        parse_scripted(text)
    elif text != EMBEDDED_NAME:
        ensure_model(text, echo_note)  # a directory, or nothing known
        return str(Path(text).expanduser().absolute())  # the peer may be run from elsewhere
    return text
