"""What a client is told when something goes wrong: OpenAI's error object, with a remedy beside it.

Nothing of the inside leaves with it: no traceback, no path, no text of another request.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import msgspec


class ErrorKind(Enum):
    """OpenAI's `type` of an error, and the HTTP status that usually goes with it."""

    INVALID_REQUEST = "invalid_request_error"
    AUTHENTICATION = "authentication_error"
    PERMISSION = "permission_error"
    NOT_FOUND = "not_found_error"
    RATE_LIMIT = "rate_limit_error"
    QUOTA = "insufficient_quota"
    SERVER = "server_error"


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's error object. `remedy` and `round_id` are additions of ours."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None
    remedy: str | msgspec.UnsetType = msgspec.UNSET
    round_id: str | msgspec.UnsetType = msgspec.UNSET


class ErrorReply(msgspec.Struct, frozen=True):
    """The body of every answer whose status is 400 or more."""

    error: ErrorBody


@dataclass(slots=True)
class ApiError(Exception):
    """A request that is refused or has failed, in the words that the client gets.

    Args:
        status: HTTP status.
        kind: OpenAI's type of the error.
        message: What was got and what was expected.
        code: Machine-readable, snake case.
        param: The field at fault, as a path: `messages[0].content`.
        remedy: How to mend it.
        round_id: The round that came to nothing, where there was one.
        headers: More headers, such as Retry-After.
    """

    status: int
    kind: ErrorKind
    message: str
    code: str | None = None
    param: str | None = None
    remedy: str = ""
    round_id: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the error as JSON."""
        body = ErrorBody(
            message=self.message,
            type=self.kind.value,
            param=self.param,
            code=self.code,
            remedy=self.remedy or msgspec.UNSET,
            round_id=self.round_id or msgspec.UNSET,
        )
        return msgspec.json.encode(ErrorReply(body))


def bad_request(
    message: str, *, param: str | None = None, code: str | None = None, remedy: str = ""
) -> ApiError:
    """Return a refusal for which the request is at fault."""
    return ApiError(400, ErrorKind.INVALID_REQUEST, message, code=code, param=param, remedy=remedy)


def not_found(what: str, name: str, *, code: str) -> ApiError:
    """Return the answer to a request for something that is not there, or is not this client's to see."""
    return ApiError(404, ErrorKind.NOT_FOUND, f"there is no {what} {name[:80]!r} here", code=code)


def unavailable(message: str, *, code: str, remedy: str = "", retry_s: int | None = None) -> ApiError:
    """Return the answer to a request that may succeed later."""
    headers = {} if retry_s is None else {"retry-after": str(retry_s)}
    return ApiError(503, ErrorKind.SERVER, message, code=code, remedy=remedy, headers=headers)
