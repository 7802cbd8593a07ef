"""Sign-in failures in the log: enough to recognise a guesser, and no phone."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from connect_hub.domain.phone_numbers import Phone
from connect_hub.domain.refusals import Refusal
from connect_hub.security.keys import Keys

_PSEUDONYM_LENGTH = 16  # hexadecimal digits

log = structlog.get_logger()


@contextmanager
def logged(operation: str, phone: Phone, *, address: str, keys: Keys) -> Iterator[None]:
    """Log a refusal with a pseudonym of the phone, which changes only with SECRET_KEY."""
    try:
        yield
    except Refusal as refusal:
        pseudonym = keys.pseudonym(phone.e164, purpose="log").hex()[:_PSEUDONYM_LENGTH]
        log.info(
            "sign-in failed",
            operation=operation,
            reason=type(refusal).__name__,
            phone=pseudonym,
            network=address,
        )
        raise
