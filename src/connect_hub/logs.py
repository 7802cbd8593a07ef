"""Logs: one structured line a request, JSON unless a person watches; no secrets in any."""

import logging
import re
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any
from uuid import uuid4

import orjson
import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import EventDict, Processor

log = structlog.get_logger()

_REQUEST_ID = re.compile(r"(?!\d{7,15}$)[A-Za-z0-9._-]{1,64}")  # nor a phone
_PHONE = re.compile(r"((?:\+|(?<![\w.+-]))\d{3})\d{4,10}(\d{2})(?!\w)")
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w.-]+|(?<![\w-])[\w-]{22}\.\d+\.[\w-]{43}")  # either kind
_LONG_NUMBER = re.compile(r"\d{7,}")  # in a name that a client chose
_UNPRINTABLE = re.compile(r"[^ -~]")  # which could do things to a terminal
_CLIENT_LEFT = 499  # before there was an answer; no status of HTTP, but what logs say
_LONGEST_NAME = 64  # of an operation


def configure() -> None:
    """Send all logs, those of the libraries too, as lines to standard error."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
    ]
    if sys.stderr.isatty():
        plain = structlog.dev.plain_traceback  # the others show local variables
        render: list[Processor] = [structlog.dev.ConsoleRenderer(exception_formatter=plain)]
    else:
        render = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_json),
        ]
    render.append(_mask)
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def _json(event: EventDict, **_: object) -> str:
    return orjson.dumps(event, default=str).decode()


class RequestLog:
    """Names each request by `X-Request-ID`, taken or made, and logs it once it is answered.

    What nothing inside has answered is answered by `failed`.
    """

    def __init__(self, app: ASGIApp, *, failed: Callable[[Request, Exception], Response]) -> None:
        self._app = app
        self._failed = failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; its line tells what the view left in the request's state."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id
        status = 0
        began = perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            except Exception as error:
                if status:  # half an answer is out
                    raise
                await self._failed(Request(scope), error)(scope, receive, send_with_id)
            finally:
                log.info(
                    "request",
                    method=scope["method"],
                    path=_UNPRINTABLE.sub("?", scope["path"][:_LONGEST_NAME]),
                    operation=_LONG_NUMBER.sub("…", state.get("operation", ""))[:_LONGEST_NAME],
                    outcome=state.get("outcome", ""),
                    status=status or _CLIENT_LEFT,
                    milliseconds=round((perf_counter() - began) * 1000, 1),
                )


def _mask(_logger: object, _method: str, line: Any) -> Any:
    """Hide what looks like a phone or a token, whoever wrote it into a line."""
    return _TOKEN.sub("…", _PHONE.sub(r"\1…\2", line))
