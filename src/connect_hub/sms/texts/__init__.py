"""Messages for people's phones: a module a language, a constant a message."""

import re

from connect_hub.settings import LONG_CODE, Settings, StartupError
from connect_hub.sms.texts import en, ru

LANGUAGES = {"en": en, "ru": ru}
DEFAULT = "en"

# By the number of segments (3GPP TS 23.038); what stands in GSM_EXTENSION takes two places.
GSM_PLACES = {1: 160, 2: 2 * 153}
UCS2_PLACES = {1: 70, 2: 2 * 67}
MOST_SEGMENTS = 2
_GSM = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENSION = set("^{}\\[~]|€\f")

_WISH = re.compile(r"([A-Za-z]{1,8})(?:-[A-Za-z0-9-]+)?(?: *; *q=([01](?:\.\d{0,3})?))?")


def language_of(accept_language: str) -> str:
    """Choose the language somebody likes best of those there are (RFC 9110, 12.5.4)."""
    best, most = DEFAULT, 0.0
    for each in accept_language.split(","):
        if not (wish := _WISH.fullmatch(each.strip())):
            continue
        language, liking = wish[1].lower(), float(wish[2] or 1)
        if language in LANGUAGES and liking > most:
            best, most = language, liking
    return best


def sign_in_code(digits: str, *, language: str, settings: Settings) -> str:
    """Write the message that brings a code.

    The line `@host #code` binds it to the host of PUBLIC_URL (WICG, Origin-bound one-time codes);
    an app's hash comes after it, for Android's SMS Retriever looks for it at the very end.
    """
    lines = [LANGUAGES[language].SIGN_IN_CODE.format(code=digits)]
    if settings.public_host:
        lines.append(f"@{settings.public_host} #{digits}")
    if settings.sms_android_hash:
        lines.append(settings.sms_android_hash)
    return "\n".join(lines)


def phone_changed(*, language: str) -> str:
    """Write the message that a former phone gets."""
    text: str = LANGUAGES[language].PHONE_CHANGED
    return text


def places_left(text: str, *, segments: int = 1) -> int:
    """Count the places that a message leaves of its segments; below 0, it needs more of them."""
    if set(text) <= _GSM | _GSM_EXTENSION:
        return GSM_PLACES[segments] - sum(2 if each in _GSM_EXTENSION else 1 for each in text)
    return UCS2_PLACES[segments] - len(text.encode("utf-16-be")) // 2


def check(settings: Settings) -> None:
    """Check that every message fits into two segments, whatever its language.

    Raises:
        StartupError: the host of PUBLIC_URL is too long.
    """
    digits = "0" * LONG_CODE
    left = min(
        places_left(
            sign_in_code(digits, language=language, settings=settings), segments=MOST_SEGMENTS
        )
        for language in LANGUAGES
    )
    if left < 0:
        raise StartupError(
            f"PUBLIC_URL: its host is {-left} characters too long for an SMS of two segments: take"
            " a shorter one, or leave PUBLIC_URL or SMS_ANDROID_HASH away."
        )
