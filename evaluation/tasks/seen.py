"""Lists of questions that rules were chosen by while this package was made: `data/seen/NAME.txt`."""

from importlib.resources import files

from consensus.errors import ConfigError

SUFFIX = ".txt"


def list_seen() -> list[str]:
    """Return the names of the lists, in order."""
    folder = files("evaluation").joinpath("data", "seen")
    return sorted(
        entry.name.removesuffix(SUFFIX) for entry in folder.iterdir() if entry.name.endswith(SUFFIX)
    )


def read_seen(name: str) -> frozenset[str]:
    """Read the questions of one list, one a line.

    Raises:
        ConfigError: There is no such list.
    """
    known = list_seen()
    if name not in known:
        raise ConfigError(
            f"there is no list of seen questions {name!r}", remedy=f"choose one of {', '.join(known)}"
        )
    text = files("evaluation").joinpath("data", "seen", f"{name}{SUFFIX}").read_text(encoding="utf-8")
    return frozenset(text.splitlines())
