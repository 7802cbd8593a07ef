"""Rate limits, exact under concurrency and shared by all servers.

Each limit of one subject is a row of the table `allowance`, which stores the times of the latest
hits. The rate "10 per day" has room if the tenth-latest hit is a day old, so there is no counter.
One upsert checks and writes under the row's lock, by the database's clock. A limit without hits
has no row.

The times of one limit differ, so that a refund removes one hit. They increase too, where hits were
reserved for a later time or the clock was set back.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Self

from connect_hub.database.connections import fetch
from connect_hub.domain.refusals import Limit, TooManyRequests
from connect_hub.security.keys import Keys
from connect_hub.security.networks import networks_of
from connect_hub.settings import Rate


@dataclass(frozen=True)
class RateLimit:
    """How often one subject may do one thing; every rate must hold."""

    key: bytes  # a keyed hash, so that the table stores no phones and no addresses
    rates: tuple[Rate, ...]
    kind: Limit  # the reason that a refusal gives

    @classmethod
    def of(
        cls, subject: str, action: str, *, rates: tuple[Rate, ...], kind: Limit, keys: Keys
    ) -> Self:
        """Make the limit of one subject.

        Args:
            subject: the phone or network that is limited.
            action: what is limited; limits with different actions do not share hits.
            rates: how often, for each period; none of them means without limit.
            kind: the reason that a refusal gives.
            keys: for the keyed hash.
        """
        return cls(keys.pseudonym(subject, purpose=action), rates, kind)

    @property
    def counts(self) -> list[int]:
        """The count of each rate."""
        return [rate.count for rate in self.rates]

    @property
    def periods(self) -> list[timedelta]:
        """The period of each rate, in the same order."""
        return [rate.period for rate in self.rates]


def of_networks(
    address: str, action: str, *, rates: tuple[Rate, ...], kind: Limit, keys: Keys
) -> list[RateLimit]:
    """Make the limits of all networks that contain an address.

    Args:
        address: the client's address.
        action: as in `RateLimit.of`.
        rates: those of a single address; wider networks get a multiple.
        kind: as in `RateLimit.of`.
        keys: as in `RateLimit.of`.
    """
    return [
        RateLimit.of(
            network,
            action,
            rates=tuple(Rate(rate.count * share, rate.period) for rate in rates),
            kind=kind,
            keys=keys,
        )
        for network, share in networks_of(address)
    ]


@dataclass(frozen=True)
class Hit:
    """One consumption of a limit, which can be refunded."""

    key: bytes
    at: datetime | None  # None stands for all hits of the limit


# The statement first reads all limits, so that a refused request writes nothing. The upsert checks
# again under the row's lock, because another request may have consumed the last hit in between.
_CONSUME = """
    WITH requested AS (
        SELECT key, array_agg(count) AS counts, array_agg(period) AS periods,
               max(count) AS max_count, max(period) AS max_period
        FROM unnest($1::bytea[], $2::int[], $3::interval[]) AS rate (key, count, period)
        GROUP BY key
    ), refused AS (
        SELECT key, allowance_free_at(uses, counts, periods) AS until
        FROM requested JOIN allowance USING (key)
        WHERE allowance_free_at(uses, counts, periods) > clock_timestamp()
    ), consumed AS (
        INSERT INTO allowance AS current (key, uses, refused_until, expires_at)
        SELECT key, ARRAY[clock_timestamp()], NULL, clock_timestamp() + max_period
        FROM requested WHERE NOT EXISTS (SELECT FROM refused) ORDER BY key
        ON CONFLICT (key) DO UPDATE SET (uses, refused_until, expires_at) = (
            SELECT
                CASE WHEN free_at > now THEN current.uses
                     ELSE (current.uses || at)
                          [greatest(cardinality(current.uses) + 2 - max_count, 1) :] END,
                CASE WHEN free_at > now THEN free_at END,
                CASE WHEN free_at > now THEN current.expires_at ELSE at + max_period END
            FROM (
                SELECT *, greatest(now, current.uses[cardinality(current.uses)]
                                        + interval '1 microsecond') AS at
                FROM (
                    SELECT clock_timestamp() AS now, max_count, max_period,
                           allowance_free_at(current.uses, counts, periods) AS free_at
                    FROM requested WHERE requested.key = excluded.key
                ) AS checked
            ) AS dated
        )
        RETURNING key, uses[cardinality(uses)] AS at, refused_until
    )
    SELECT key, NULL AS at, until AS refused_until, clock_timestamp() AS now FROM refused
    UNION ALL SELECT key, at, refused_until, clock_timestamp() FROM consumed
"""


async def consume(*limits: RateLimit) -> list[Hit]:
    """Count one hit on each limit, or on none of them if one is exhausted.

    Raises:
        TooManyRequests: a limit is exhausted; `retry_at` is when all have room again.
    """
    rated = [(limit.key, rate.count, rate.period) for limit in limits for rate in limit.rates]
    if not rated:
        return []
    rows = await fetch(_CONSUME, *(list(column) for column in zip(*rated, strict=True)))
    refused = [row for row in rows if row["refused_until"]]
    hits = [Hit(row["key"], row["at"]) for row in rows if not row["refused_until"]]
    if refused:
        await refund(hits)
        last = max(refused, key=itemgetter("refused_until"))
        kinds = {limit.key: limit.kind for limit in limits}
        raise TooManyRequests(
            retry_at=last["refused_until"], now=last["now"], limit=kinds[last["key"]]
        )
    return hits


_REMAINING = """
    SELECT min(count - (SELECT count(*) FROM unnest(uses) AS at WHERE at > now() - period))
           AS remaining
    FROM allowance, unnest($2::int[], $3::interval[]) AS rate (count, period) WHERE key = $1
"""


async def remaining(limit: RateLimit) -> int:
    """Return how many hits remain of a limit that has been consumed before."""
    (row,) = await fetch(_REMAINING, limit.key, limit.counts, limit.periods)
    return max(0, row["remaining"] or 0)


# This locks rows in the order of their keys, as `consume` does, so that the two cannot deadlock.
# No time differs from all times of an array with NULL, which stands for all hits.
_REFUND = """
    WITH locked AS (
        SELECT key, uses FROM allowance WHERE key = ANY ($1) ORDER BY key FOR UPDATE
    ), rest AS (
        SELECT key, ARRAY(
            SELECT at FROM unnest(uses) AS at WHERE at <> ALL (ARRAY(
                SELECT hit_at FROM unnest($1::bytea[], $2::timestamptz[]) AS hit (hit_key, hit_at)
                WHERE hit_key = key
            )) ORDER BY at
        ) AS uses
        FROM locked
    ), emptied AS (
        DELETE FROM allowance USING rest WHERE allowance.key = rest.key AND rest.uses = '{}'
    )
    UPDATE allowance SET uses = rest.uses
    FROM rest WHERE allowance.key = rest.key AND rest.uses <> '{}'
"""


async def refund(hits: Iterable[Hit]) -> None:
    """Remove hits that should not count; delete the rows that have none left."""
    hits = list(hits)
    if hits:
        await fetch(_REFUND, [hit.key for hit in hits], [hit.at for hit in hits])
