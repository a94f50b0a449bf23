"""Where the password of a peer's key comes from: a file, the desktop's keyring, or whoever sits there.

Never from the command line, which every user of the machine can read, nor from the environment, which
children and crash reports inherit.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from consensus.errors import ConfigError
from consensus.identity import PeerKey
from swarm.edge.private_files import read_private_file

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

KEYRING_SERVICE: Final = "peerage"
PASSWORD_BYTES_MAX: Final = 1_024
NEW_PASSWORD_CHARS_MIN: Final = 8
TRIES_MAX: Final = 3  # of whoever is asked for a new password
STDIN: Final = Path("-")
FILE_REMEDY: Final = "write one line to a file of mode 0600 and name it: --password-file PATH"
RECOMMENDED_PRIORITY: Final = 1  # of keyring's backends; below are those that keep nothing, or in clear


def read_password(*, file: Path | None, use_keyring: bool, key: PeerKey | None, prompt: str | None) -> bytes:
    """Get the password of a key that there is.

    Args:
        file: Where it stands, if in a file; `-` is refused.
        use_keyring: Whether the desktop's keyring knows it.
        key: Whose password the keyring is asked for.
        prompt: What to ask whoever sits there with; None to ask nobody.

    Returns:
        The password in UTF-8, at most PASSWORD_BYTES_MAX bytes.

    Raises:
        ConfigError: There is none to be had that way, or what there is cannot be one.
    """
    if file is not None and use_keyring:
        raise ConfigError("got a password file and the keyring, expected one of them", remedy="name one")
    if file is not None:
        return _read_file(file)
    if use_keyring:
        assert key is not None, "a keyring is asked for the password of a key"
        return _read_keyring(key)
    if prompt is None:
        raise ConfigError("got no password, and may not ask for one", remedy=FILE_REMEDY)
    return _ask(prompt)


def read_new_password(*, file: Path | None, prompt: str | None) -> bytes:
    """Get the password for a key that is being made; whoever is asked types it twice.

    Args:
        file: Where it stands, if in a file; `-` is refused.
        prompt: What to ask whoever sits there with; None to ask nobody.

    Returns:
        The password in UTF-8, NEW_PASSWORD_CHARS_MIN characters to PASSWORD_BYTES_MAX bytes.

    Raises:
        ConfigError: There is none to be had that way, it is too short, or cannot be one.
    """
    if file is not None:
        return _check_new(_read_file(file))
    if prompt is None:
        raise ConfigError("got no password, and may not ask for one", remedy=FILE_REMEDY)
    for _ in range(TRIES_MAX - 1):
        try:
            return _check_new(_ask(prompt, is_repeated=True))
        except _UnfitError as exc:
            _say(f"{exc.message}: {exc.remedy}")
    return _check_new(_ask(prompt, is_repeated=True))


def check_keyring() -> None:
    """Make sure that there is a keyring, before something is done whose password it is to know.

    Raises:
        ConfigError: There is none.
    """
    _open_keyring()


def keep_password(key: PeerKey, password: bytes) -> None:
    """Give a key's password to the desktop's keyring, and make sure that it has it.

    Raises:
        ConfigError: There is no keyring, it refuses, or it forgot at once.
    """
    from keyring.errors import KeyringError

    keyring = _open_keyring()
    try:
        keyring.set_password(KEYRING_SERVICE, key.hex(), password.decode("utf-8"))
    except KeyringError as exc:
        raise _refused(exc) from exc
    if _read_keyring(key) != password:
        raise ConfigError("the keyring did not keep the password", remedy=FILE_REMEDY)


def forget_password(key: PeerKey) -> None:
    """Take a key's password out of the desktop's keyring, if it is in it.

    Raises:
        ConfigError: There is no keyring.
    """
    from keyring.errors import KeyringError, PasswordDeleteError

    keyring = _open_keyring()
    try:
        keyring.delete_password(KEYRING_SERVICE, key.hex())
    except PasswordDeleteError:
        return  # it was not in it
    except KeyringError as exc:
        raise _refused(exc) from exc


class _UnfitError(ConfigError):
    """A password that cannot be one; whoever was asked may try again."""


def _read_file(path: Path) -> bytes:
    if path == STDIN:
        raise ConfigError("got the password file -, expected a path", remedy=FILE_REMEDY)
    data = read_private_file(path, bytes_max=PASSWORD_BYTES_MAX + 2, what="password file")
    return _check(data.removesuffix(b"\n").removesuffix(b"\r"), f"the password file {path}")


def _read_keyring(key: PeerKey) -> bytes:
    keyring = _open_keyring()
    from keyring.errors import KeyringError

    try:
        found = keyring.get_password(KEYRING_SERVICE, key.hex())
    except KeyringError as exc:
        raise _refused(exc) from exc
    if found is None:
        raise ConfigError(
            f"the keyring has no password of the key {key.hex()}",
            remedy=f"put it in: keyring set {KEYRING_SERVICE} {key.hex()}; or use --password-file",
        )
    return _check(_encode(found), "the keyring's password")


def _open_keyring() -> "KeyringBackend":
    try:
        import keyring
    except ImportError as exc:
        raise ConfigError(
            "keyrings need a library that is not installed",
            remedy="pip install 'peerage[keyring]', or use --password-file",
        ) from exc
    backend = keyring.get_keyring()
    if backend.priority < RECOMMENDED_PRIORITY:
        raise ConfigError(
            f"there is no keyring on this machine that can be trusted with a password ({backend.name})",
            remedy="unlock the desktop's keyring, or use --password-file",
        )
    return backend


def _refused(exc: Exception) -> ConfigError:
    return ConfigError(f"the keyring refuses ({exc})", remedy="unlock it, or use --password-file")


def _ask(prompt: str, *, is_repeated: bool = False) -> bytes:
    import click

    if not sys.stdin.isatty():
        raise ConfigError("there is no terminal to ask for the password on", remedy=FILE_REMEDY)
    typed = click.prompt(prompt, hide_input=True, confirmation_prompt=is_repeated, err=True, type=str)
    return _check(_encode(typed), "the password")


def _say(text: str) -> None:
    import click

    click.echo(text, err=True)


def _encode(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # what it holds is the password, so it goes no further
        raise _UnfitError("the password is not UTF-8", remedy="set the terminal to UTF-8") from None


def _check(password: bytes, whence: str) -> bytes:
    """Return a password that could also be typed: one line of text, of bounded length."""
    if not password:
        raise _UnfitError(f"{whence} is empty", remedy="give a password")
    if len(password) > PASSWORD_BYTES_MAX:
        raise _UnfitError(f"{whence} has more than {PASSWORD_BYTES_MAX} bytes", remedy="give a shorter one")
    try:
        is_line = password.decode("utf-8").isprintable()
    except UnicodeDecodeError:  # what it holds is the password, so it goes no further
        is_line = False
    if not is_line:
        raise _UnfitError(
            f"{whence} is not one line of text", remedy="give printable UTF-8, with one newline at most"
        )
    return password


def _check_new(password: bytes) -> bytes:
    if len(password.decode("utf-8")) < NEW_PASSWORD_CHARS_MIN:
        raise _UnfitError(
            f"the password has less than {NEW_PASSWORD_CHARS_MIN} characters",
            remedy="give a longer one: four words that belong to nothing are easy to keep",
        )
    return password
