"""Every error message says what to do, as docs/contributing.md asks."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import connect_hub
from connect_hub.domain.refusals import Refusal

SOURCE = Path(connect_hub.__file__).parent
ERRORS = re.compile(r"(\w+Error|Close|_response|PlainTextResponse)")  # are created with a message
REASONS = {
    "InterfaceError",
    "NotAnsweredError",
    "LeftOutError",
    "NotSentError",
    "RuntimeError",
    "UnsupportedNumberError",
}  # reasons, which logs and reports show with more text
VERBS = (
    "accept|add|apply|ask|call|check|choose|close|complete|connect|correct|create|fix|generate"
    "|give|install|list|make|open|pass|put|query|raise|refresh|remove|rename|request|restore|run"
    "|save|select|send|set|show|sign in|split|stop|subscribe|try|upgrade|use|write"
)
# The message begins with an instruction, has one after a colon, semicolon or comma, or says what is
# accepted: "takes …", "must be …".
INSTRUCTION = re.compile(
    rf"(^|[:;,] |\band |\bor |\bto )({VERBS})\b|\b(takes?|must|needs)\b", re.IGNORECASE
)
EXCEPTIONS = {
    *("PersistedQueryNotFound", "PersistedQueryNotSupported"),  # clients compare them
    *("alive\n", "ready\n"),  # are not errors
    # The value at their end says what to do.
    *("…\n", "….", "…: ….", "The database cannot be used: …."),
    "…: … is not the ISO 3166 code of a country with phone numbers; ….",
}


def _text(node: ast.expr) -> str | None:
    """Return the text of a string, with `…` for each value that it shows."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) or "…" for part in parts)
    return None


def _messages() -> Iterator[str]:
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and _is_error(node.func):
                texts = (_text(argument) for argument in node.args)
                yield from (text for text in texts if text and text not in EXCEPTIONS)
    yield from (refusal.__doc__ or "" for refusal in Refusal.__subclasses__())


def _is_error(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return bool(ERRORS.fullmatch(name)) and name not in REASONS


def test_every_error_message_says_what_to_do() -> None:
    messages = set(_messages())
    assert len(messages) > 80
    assert [message for message in messages if not INSTRUCTION.search(message)] == []
