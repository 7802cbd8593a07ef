"""New invitation codes: after a leak, a client replaces its code."""

from datetime import timedelta

from connect_hub.database.connections import fetch
from connect_hub.database.models import Client
from connect_hub.domain import invitation_codes, rate_limits
from connect_hub.domain.rate_limits import RateLimit
from connect_hub.domain.refusals import Limit
from connect_hub.security.keys import Keys
from connect_hub.settings import Rate

MAX_PER_DAY = 3

# The triggers keep the former code from being issued again, and store it with those who applied it.
_RENEW = "UPDATE client SET invitation_code = $2 WHERE id = $1"


async def renew_invitation_code(client: Client, *, keys: Keys) -> Client:
    """Give a client a new invitation code; the former one stops working at once.

    Returns:
        The client with its new code.

    Raises:
        TooManyRequests: the client has renewed its code too often.
    """
    limit = RateLimit.of(
        str(client.id),
        "new invitation codes",
        rates=(Rate(MAX_PER_DAY, timedelta(days=1)),),
        kind=Limit.RENEWALS,
        keys=keys,
    )
    await rate_limits.consume(limit)

    async def store(codes: list[str]) -> None:
        await fetch(_RENEW, client.id, *codes)
        (client.invitation_code,) = codes

    await invitation_codes.draw(store)
    return client
