"""Structured logs without secrets: JSON, or readable text if standard error is a terminal."""

import logging
import re
import sys
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, Processor

log = structlog.get_logger()

_PHONE = re.compile(r"((?:\+|(?<![\w.+-]))\d{3})\d{4,10}(\d{2})(?!\w)")
_TOKEN = re.compile(
    r"eyJ[\w-]+\.[\w.-]+|(?<![\w-])[\w-]{22}\.\d+\.(?:[\w-]{12}\.)?[\w-]{43}"
)  # access or refresh
_SUSPECT = re.compile(r"\d{9}|eyJ|\.[\w-]{43}")  # part of every phone and token; a quick test
_NUMBER = re.compile(r"\d+")
_CODE = re.compile(r"\d{4,}")
_NUMBER_OR_LONG_WORD = re.compile(r"[\w-]{17,}|\d+")
_PHONE_DIGITS = 7  # the fewest of a phone number
_UNPRINTABLE = re.compile(r"[^ -~]")  # could contain control sequences of a terminal
_MAX_NAME = 64  # characters of a path or an operation that are logged
_MAX_SCANNED = 80  # more than are logged, so that a long number is recognised where it is cut
_CACHE_SIZE = 256  # paths, and names of operations


def configure() -> None:
    """Send all logs to standard error, including those of libraries."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _add_timestamp,
    ]
    if sys.stderr.isatty():
        plain = structlog.dev.plain_traceback  # other formatters show local variables
        _renderers[:] = [structlog.dev.ConsoleRenderer(exception_formatter=plain)]
    structlog.configure(
        processors=[*shared, *_renderers, _mask],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers,
                _mask,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("uvicorn.error").addFilter(_names_a_fault)


def _names_a_fault(record: logging.LogRecord) -> bool:
    """Drop uvicorn's line about invalid HTTP; `request rejected` names the network too."""
    return record.msg != "Invalid HTTP request received."


def log_request(*, path: str, operation: str, **fields: object) -> None:
    """Log a request.

    The line looks like all others but bypasses structlog's processors, which would take longer than
    some requests.

    Args:
        path: as the client sent it.
        operation: the operation's name, as the client sent it.
        fields: other fields of the line; they must not contain secrets.
    """
    line: Any = {
        "event": "request",
        "level": "info",
        "timestamp": datetime.now(UTC),
        "path": _safe_path(path[:_MAX_NAME]),
        "operation": operation and _safe_operation(operation[:_MAX_SCANNED]),
        **fields,
    }
    line = _renderers[-1](None, "info", line)
    sys.stderr.write(f"{line}\n")


@lru_cache(_CACHE_SIZE)
def _safe_path(path: str) -> str:
    """Mask all numbers and long words of a path, since a client may put anything into it."""
    return _NUMBER_OR_LONG_WORD.sub("…", _UNPRINTABLE.sub("?", path))


@lru_cache(_CACHE_SIZE)
def _safe_operation(name: str) -> str:
    """Mask numbers as long as a code, and all numbers if together they are as long as a phone."""
    digits = sum(map(str.isdigit, name))
    numbers = _NUMBER if digits >= _PHONE_DIGITS else _CODE
    return numbers.sub("…", name)[:_MAX_NAME]


def mask(text: str) -> str:
    """Shorten everything that looks like a phone number or a token."""
    if not _SUSPECT.search(text):  # most texts
        return text
    return _PHONE.sub(r"\1…\2", _TOKEN.sub("…", text))


def _mask(_logger: object, _method: str, line: Any) -> Any:
    """Mask secrets in the finished line, whichever field they are in."""
    return mask(line)


def _add_timestamp(_logger: object, _method: str, event: EventDict) -> EventDict:
    event["timestamp"] = datetime.now(UTC)
    return event


def _json(event: EventDict, **_: object) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_UTC_Z).decode()


_renderers: list[Processor] = [  # replaced if standard error is a terminal
    structlog.processors.format_exc_info,
    structlog.processors.JSONRenderer(serializer=_json),
]
