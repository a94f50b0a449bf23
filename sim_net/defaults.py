"""The default of every key of a manifest's tables, as TOML holds it: those of the dataclasses."""

from sim_net.keys import Key
from sim_net.manifest import FaultSettings, Manifest
from sim_net.values import to_plain

_PLAIN = Manifest(name="plain")
_PLAIN_FAULT = FaultSettings(kind="plain")


def get_default(section: str, key: Key) -> object:
    """Return the default of a key of a section; of one at the top where `section` is empty."""
    settings: object = getattr(_PLAIN, section) if section else _PLAIN
    value: object = getattr(settings, key.field)
    return to_plain(key, value)


def get_fault_default(key: Key) -> object:
    """Return the default of a key that every fault takes."""
    value: object = getattr(_PLAIN_FAULT, key.field)
    return to_plain(key, value)


def get_option_default(key: Key) -> object | None:
    """Return the default of an option, None where it has none."""
    return None if key.default is None else to_plain(key, key.default)
