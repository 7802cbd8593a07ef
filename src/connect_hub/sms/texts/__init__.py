"""Texts of the SMS: one module per language, one constant per message.

To add a language, add a module with the constants of `en`, and name it in LANGUAGES, in docs/sms.md
and in tests/sms/test_texts.py.
"""

import re

from connect_hub.settings import LONG_CODE, Settings, StartupError
from connect_hub.sms.texts import en, ru

LANGUAGES = {"en": en, "ru": ru}
DEFAULT_LANGUAGE = "en"

# How many characters fit into one and two segments (3GPP TS 23.038). In the GSM alphabet, a
# character of the extension table counts twice; in UCS-2, one outside the basic plane does.
GSM_CAPACITY = {1: 160, 2: 2 * 153}
UCS2_CAPACITY = {1: 70, 2: 2 * 67}
MAX_SEGMENTS = 2
_GSM = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENSION = set("^{}\\[~]|€\f")

_LANGUAGE_RANGE = re.compile(r"([A-Za-z]{1,8})(?:-[A-Za-z0-9-]+)?(?: *; *q=([01](?:\.\d{0,3})?))?")


def negotiate_language(accept_language: str) -> str:
    """Choose the supported language that an Accept-Language header prefers (RFC 9110, 12.5.4)."""
    best, best_quality = DEFAULT_LANGUAGE, 0.0
    for item in accept_language.split(","):
        if not (match := _LANGUAGE_RANGE.fullmatch(item.strip())):
            continue
        language, quality = match[1].lower(), float(match[2] or 1)
        if language in LANGUAGES and quality > best_quality:
            best, best_quality = language, quality
    return best


def sign_in_code(digits: str, *, language: str, settings: Settings) -> str:
    """Write the message with a sign-in code.

    The line `@host #code` binds the code to the host of PUBLIC_URL (WICG, Origin-bound one-time
    codes). An app's hash comes last, since Android's SMS Retriever expects it at the very end.
    """
    lines = [LANGUAGES[language].SIGN_IN_CODE.format(code=digits)]
    if settings.public_host:
        lines.append(f"@{settings.public_host} #{digits}")
    if settings.sms_android_hash:
        lines.append(settings.sms_android_hash)
    return "\n".join(lines)


def phone_changed(*, language: str) -> str:
    """Write the message to the old phone after a change of phone."""
    text: str = LANGUAGES[language].PHONE_CHANGED
    return text


def remaining_characters(text: str, *, segments: int = 1) -> int:
    """Count the characters that still fit into the segments; negative if the text is too long."""
    if set(text) <= _GSM | _GSM_EXTENSION:
        used = sum(2 if character in _GSM_EXTENSION else 1 for character in text)
        return GSM_CAPACITY[segments] - used
    return UCS2_CAPACITY[segments] - len(text.encode("utf-16-be")) // 2


def check(settings: Settings) -> None:
    """Check that the message with a code fits into two segments in every language.

    Raises:
        StartupError: the host of PUBLIC_URL is too long.
    """
    digits = "0" * LONG_CODE
    remaining = min(
        remaining_characters(
            sign_in_code(digits, language=language, settings=settings), segments=MAX_SEGMENTS
        )
        for language in LANGUAGES
    )
    if remaining < 0:
        raise StartupError(
            f"PUBLIC_URL: its host is {-remaining} characters too long for an SMS of two segments:"
            " use a shorter one, or remove PUBLIC_URL or SMS_ANDROID_HASH."
        )
