"""Settings from a file: flags win over environment, environment over this file, this file over defaults."""

import difflib
import os
import tomllib
from pathlib import Path

import platformdirs

from consensus.errors import ConfigError

CONFIG_VARIABLE = "PEERAGE_CONFIG"
KNOWN = {
    "ask": {
        "peers": int,
        "model": str,
        "judge": str,
        "calls": int,
        "deadline": float,
        "max_tokens": int,
        "temperature": float,
        "on_partial": str,
        "processes": bool,
    },
    "demo": {"peers": int, "model": str},
}

Setting = str | int | float | bool


def get_config_path() -> Path:
    """Return where the settings file is looked for."""
    named = os.environ.get(CONFIG_VARIABLE, "")
    return Path(named) if named else Path(platformdirs.user_config_dir("peerage")) / "config.toml"


def load_defaults() -> dict[str, dict[str, Setting]]:
    """Read the settings file, if there is one: command -> option -> value.

    Raises:
        ConfigError: The file cannot be read, or holds a key or value that means nothing.
    """
    path = get_config_path()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if os.environ.get(CONFIG_VARIABLE):
            raise ConfigError(
                f"{CONFIG_VARIABLE} names {path}, which does not exist", remedy="create it or unset it"
            ) from None
        return {}
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"cannot read {path} ({exc})", remedy="mend or remove the file") from exc
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{path} is not TOML ({exc})", remedy="mend or remove the file") from exc
    settings: dict[str, dict[str, Setting]] = {}
    for command, values in data.items():
        _check_known(path, command, KNOWN)
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: got {command} = {values!r}, expected a table [{command}]")
        settings[command] = {name: _check(path, command, name, value) for name, value in values.items()}
    return settings


def _check(path: Path, command: str, name: str, value: object) -> Setting:
    _check_known(path, name, KNOWN[command], within=f"[{command}] ")
    expected = KNOWN[command][name]
    is_number = expected is float and isinstance(value, int) and not isinstance(value, bool)
    if isinstance(value, str | int | float | bool) and (type(value) is expected or is_number):
        return value
    raise ConfigError(f"{path}: got [{command}] {name} = {value!r}, expected {expected.__name__}")


def _check_known(
    path: Path, name: str, known: dict[str, type] | dict[str, dict[str, type]], within: str = ""
) -> None:
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        raise ConfigError(
            f"{path}: {within}{name} means nothing",
            remedy=f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}",
        )
