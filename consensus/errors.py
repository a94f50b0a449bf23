"""One error tree, split by whose fault it is (style.md, "Types, errors, docstrings")."""


class PeerageError(Exception):
    """Root of every error this project raises on purpose.

    Args:
        message: What was got and what was expected, one sentence.
        remedy: How the reader mends it, one sentence; empty where nothing can be done.
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class ConfigError(PeerageError):
    """The caller's fault: a flag, a file or a value that cannot be used as given."""


class PeerError(PeerageError):
    """The other side's fault: bytes that break a rule. The sender is penalised, the node lives on."""


class VerificationError(PeerageError):
    """A receipt, certificate or proof that does not hold.

    Args:
        step: The numbered verification step that failed (protocol.md, "Receipt"), 1 to 8.
        message: What was got and what was expected.
    """

    def __init__(self, step: int, message: str) -> None:
        super().__init__(f"step {step}: {message}")
        self.step = step


class LimitExceeded(PeerageError):  # noqa: N818 - the name the whole project uses
    """A named limit was reached; the message gives the limit, its unit and what was got."""


class StoreError(PeerageError):
    """The disk or the database failed, or a write would contradict what is already on disk."""


class NetworkError(PeerageError):
    """A connection could not be made, kept or authenticated."""
