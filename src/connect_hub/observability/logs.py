"""Logs: one structured line a request, JSON unless a person watches; no secrets in any."""

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
_SUSPECT = re.compile(r"\d{9}|eyJ|\.[\w-]{43}")  # a part of a phone or token, found sooner
_NUMBER = re.compile(r"\d+")
_CODE = re.compile(r"\d{4,}")
_NUMBER_OR_LONG_WORD = re.compile(r"[\w-]{17,}|\d+")
_PHONE_DIGITS = 7  # the fewest of a phone number
_UNPRINTABLE = re.compile(r"[^ -~]")  # which could do things to a terminal
_LONGEST_NAME = 64  # of an operation
_LONGEST_TO_SEE = 80  # of it, so that a number in it is seen to be long
_REMEMBERED = 256  # names and paths


def configure() -> None:
    """Send all logs, those of the libraries too, as lines to standard error."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _stamp,
    ]
    if sys.stderr.isatty():
        plain = structlog.dev.plain_traceback  # the others show local variables
        _render[:] = [structlog.dev.ConsoleRenderer(exception_formatter=plain)]
    structlog.configure(
        processors=[*shared, *_render, _mask],
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
                *_render,
                _mask,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def log_request(*, path: str, operation: str, **told: object) -> None:
    """Log an answered request; its path and operation are what its client chose to send.

    This line is written as all others look, without asking structlog what to do with it: that would
    take longer than some requests.
    """
    line: Any = {
        "event": "request",
        "level": "info",
        "timestamp": datetime.now(UTC),
        "path": _shown_path(path[:_LONGEST_NAME]),
        "operation": operation and _shown_operation(operation[:_LONGEST_TO_SEE]),
        **told,
    }
    line = _render[-1](None, "info", line)
    sys.stderr.write(f"{line}\n")


@lru_cache(_REMEMBERED)
def _shown_path(path: str) -> str:
    """Mask all numbers and long words of a path, since a client may put anything into it."""
    return _NUMBER_OR_LONG_WORD.sub("…", _UNPRINTABLE.sub("?", path))


@lru_cache(_REMEMBERED)
def _shown_operation(name: str) -> str:
    """Mask numbers as long as a code, and all numbers if together they are as long as a phone."""
    digits = sum(map(str.isdigit, name))
    numbers = _NUMBER if digits >= _PHONE_DIGITS else _CODE
    return numbers.sub("…", name)[:_LONGEST_NAME]


def mask(text: str) -> str:
    """Hide what looks like a phone or a token."""
    if not _SUSPECT.search(text):  # as most texts are
        return text
    return _PHONE.sub(r"\1…\2", _TOKEN.sub("…", text))


def _mask(_logger: object, _method: str, line: Any) -> Any:
    """Hide them, whoever wrote them into a line."""
    return mask(line)


def _stamp(_logger: object, _method: str, event: EventDict) -> EventDict:
    event["timestamp"] = datetime.now(UTC)
    return event


def _json(event: EventDict, **_: object) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_UTC_Z).decode()


_render: list[Processor] = [  # unless a person watches
    structlog.processors.format_exc_info,
    structlog.processors.JSONRenderer(serializer=_json),
]
