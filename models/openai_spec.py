"""Which server and which model: `openai:MODEL@BASE_URL`; the key comes from the environment, never shown."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from models.errors import ModelError

OPENAI_NAME = "openai"
BASE_URL_VARIABLE = "PEERAGE_OPENAI_BASE_URL"
KEY_VARIABLE = "PEERAGE_OPENAI_API_KEY"
DEFAULT_PATH = "/v1"
URL_CHARS_MAX = 2_048
MODEL_CHARS_MAX = 256
KEY_CHARS_MAX = 4_096

# The model's own name may hold an @ or a colon, so the address begins at the last @http.
_SPEC = re.compile(r"(?P<model>.*?)(?:@(?P<url>https?://(?:(?!@https?://).)*))?", re.S | re.I)
_EXAMPLE = f"write {OPENAI_NAME}:MODEL@http://localhost:8000/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAISpec:
    """A server and a model on it.

    Args:
        model: The model's name on the server; empty for the only one that it serves.
        base_url: Address up to and including the version, such as `http://localhost:8000/v1`.
        key: The bearer key, empty without one; left out of the representation.
    """

    model: str
    base_url: str
    key: str = field(default="", repr=False)

    @property
    def origin(self) -> str:
        """Scheme, host and port: where the server is, for people."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def is_local(self) -> bool:
        """Whether the server is this machine, by its address."""
        host = urlsplit(self.base_url).hostname or ""
        if host == "localhost":
            return True
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return False

    @property
    def is_key_exposed(self) -> bool:
        """Whether the key would cross a network unencrypted."""
        return bool(self.key) and self.base_url.startswith("http://") and not self.is_local


def is_openai(spec: str) -> bool:
    """Tell whether a specification names a model behind a server."""
    return spec.partition(":")[0] == OPENAI_NAME


def parse_openai(spec: str, environ: Mapping[str, str]) -> OpenAISpec:
    """Read a specification; address and key come from the environment where the specification has none.

    Args:
        spec: `openai:MODEL@BASE_URL`; without `@BASE_URL` the variable PEERAGE_OPENAI_BASE_URL says where.
        environ: The environment; PEERAGE_OPENAI_API_KEY is the only way in for a key.

    Returns:
        The server, the model and the key.

    Raises:
        ModelError: The specification, the address or the key is malformed, or the address carries
            credentials; no message repeats a key or an address that may hold one.
    """
    found = _SPEC.fullmatch(spec.partition(":")[2])
    if not is_openai(spec) or found is None:
        raise ModelError(f"{spec[:64]!r} is not a model behind a server", remedy=_EXAMPLE)
    model, url = found["model"], found["url"]
    if "://" in model:
        # It may hold a password, so it is not repeated.
        raise ModelError("an address of another scheme than http or https was given", remedy=_EXAMPLE)
    if len(model) > MODEL_CHARS_MAX or not model.isprintable():
        raise ModelError(
            f"the model's name has {len(model)} characters, expected up to {MODEL_CHARS_MAX} printable ones",
            remedy=_EXAMPLE,
        )
    if url is None:
        url = environ.get(BASE_URL_VARIABLE, "")
    if not url:
        raise ModelError(
            f"no server was named for {spec[:64]!r}", remedy=f"{_EXAMPLE}, or set {BASE_URL_VARIABLE}"
        )
    return OpenAISpec(model=model, base_url=_check_url(url), key=_check_key(environ.get(KEY_VARIABLE, "")))


def _check_url(url: str) -> str:
    if len(url) > URL_CHARS_MAX or not url.isascii() or not url.isprintable() or " " in url:
        raise ModelError(
            f"the address has {len(url)} characters, expected {URL_CHARS_MAX} printable ones at most",
            remedy=_EXAMPLE,
        )
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as exc:
        # The parser's own message repeats the address, which may hold a password.
        raise ModelError("the server's address is malformed", remedy=_EXAMPLE) from exc.with_traceback(None)
    _check_parts(parts)
    if parts.scheme not in ("http", "https") or not host:
        raise ModelError("the server's address is not of http or https, or names no host", remedy=_EXAMPLE)
    path = parts.path.rstrip("/") or DEFAULT_PATH
    return f"{parts.scheme}://{parts.netloc}{path}"


def _check_parts(parts: SplitResult) -> None:
    if "@" in parts.netloc:
        raise ModelError(
            "the server's address carries credentials, and command lines are seen by everybody",
            remedy=f"leave them out and put the key into {KEY_VARIABLE}",
        )
    if parts.query or parts.fragment:
        raise ModelError(
            "the server's address carries a query or a fragment, expected a plain base address",
            remedy=f"end it with its path; a key belongs into {KEY_VARIABLE}",
        )


def _check_key(key: str) -> str:
    key = key.strip()
    if len(key) > KEY_CHARS_MAX or not key.isascii() or not key.isprintable():
        raise ModelError(
            f"the key in {KEY_VARIABLE} has {len(key)} characters, expected at most {KEY_CHARS_MAX} "
            "printable ASCII ones",
            remedy="set it to the key alone",
        )
    return key
