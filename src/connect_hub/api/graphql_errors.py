"""Errors in the `errors` list of a response; each has a code for programs."""

from typing import Any

import structlog
from graphql import GraphQLError

from connect_hub.database.errors import UNAVAILABLE

log = structlog.get_logger()


class CodedError(GraphQLError):
    """An error with a code."""

    code = "BAD_USER_INPUT"

    def __init__(self, message: str) -> None:
        super().__init__(message, extensions={"code": self.code})


class BadRequestError(CodedError):
    """A request is malformed, or of a kind that is not supported here."""

    code = "BAD_REQUEST"


class BadUserInputError(CodedError):
    """An argument has an invalid value."""


class UnauthenticatedError(CodedError):
    """A field needs a signed-in client, and the request has no valid token."""

    code = "UNAUTHENTICATED"


def format_error(error: GraphQLError, *, request_id: str) -> dict[str, Any]:
    """Format an error for clients; unexpected exceptions are logged and not shown.

    Args:
        error: from graphql-core or a resolver.
        request_id: shown with internal errors, so that people can quote it.
    """
    cause = error.original_error
    if isinstance(cause, UNAVAILABLE):
        log.warning("database unavailable", reason=type(cause).__name__)
        error = _with_message(error, "The database does not answer; try again in a moment.")
        error.extensions = {"code": "SERVICE_UNAVAILABLE"}
    elif cause is not None and not isinstance(cause, GraphQLError):
        log.error("internal error", exc_info=cause)
        error = _with_message(error, "Something went wrong on our side; tell us the request id.")
        error.extensions = {"code": "INTERNAL_SERVER_ERROR", "requestId": request_id}
    formatted = dict(error.formatted)
    formatted["extensions"] = {"code": "BAD_USER_INPUT", **(error.extensions or {})}
    return formatted


def _with_message(error: GraphQLError, message: str) -> GraphQLError:
    return GraphQLError(message, nodes=error.nodes, path=error.path)
