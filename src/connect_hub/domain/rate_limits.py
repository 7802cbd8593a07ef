"""How often what may be tried: exact under concurrency, the same for all replicas.

An allowance is one row in PostgreSQL: the times of the latest uses. Whether another is free needs
no counting: of the rate "10 in a day" the tenth use back must be a day ago. One upsert, under the
lock of its row, looks and writes; the time is the database's. An allowance without uses has no row.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Self

from connect_hub.database.connections import fetch
from connect_hub.domain.refusals import Limit, TooManyRequests
from connect_hub.security.keys import Keys
from connect_hub.security.networks import networks_of
from connect_hub.settings import Rate


@dataclass(frozen=True)
class Allowance:
    """What one subject may do: at most so many times in any of the periods.

    Its key is a keyed hash, so that no phone and no address stands in the table.
    """

    key: bytes
    rates: tuple[Rate, ...]
    limit: Limit  # the reason of a refusal

    @classmethod
    def of(
        cls, subject: str, what: str, *, rates: tuple[Rate, ...], limit: Limit, keys: Keys
    ) -> Self:
        """Name what a subject may do."""
        return cls(keys.pseudonym(subject, purpose=what), rates, limit)


def of_networks(
    address: str, what: str, *, rates: tuple[Rate, ...], limit: Limit, keys: Keys
) -> list[Allowance]:
    """List what the networks of an address may do, given the rates of one address."""
    return [
        Allowance.of(
            network,
            what,
            rates=tuple(Rate(rate.count * share, rate.period) for rate in rates),
            limit=limit,
            keys=keys,
        )
        for network, share in networks_of(address)
    ]


@dataclass(frozen=True)
class Use:
    """One use of an allowance, which can be given back."""

    key: bytes
    at: datetime | None  # None stands for all uses


# A request that is refused writes nothing, since limits are read first. The upsert looks again,
# under the lock of the row: others may have spent the last use meanwhile.
_SPEND = """
    WITH asked AS (
        SELECT key, array_agg(count) AS counts, array_agg(period) AS periods,
               max(count) AS most, max(period) AS longest
        FROM unnest($1::bytea[], $2::int[], $3::interval[]) AS rate (key, count, period)
        GROUP BY key
    ), refused AS (
        SELECT key, allowance_free_at(uses, counts, periods) AS until
        FROM asked JOIN allowance USING (key)
        WHERE allowance_free_at(uses, counts, periods) > clock_timestamp()
    ), spent AS (
        INSERT INTO allowance AS had (key, uses, refused_until, expires_at)
        SELECT key, ARRAY[clock_timestamp()], NULL, clock_timestamp() + longest
        FROM asked WHERE NOT EXISTS (SELECT FROM refused) ORDER BY key
        ON CONFLICT (key) DO UPDATE SET (uses, refused_until, expires_at) = (
            SELECT
                CASE WHEN free_at > at THEN had.uses
                     ELSE (had.uses || at)[greatest(cardinality(had.uses) + 2 - most, 1) :] END,
                CASE WHEN free_at > at THEN free_at END,
                CASE WHEN free_at > at THEN had.expires_at ELSE at + longest END
            FROM (
                SELECT clock_timestamp() AS at, most, longest,
                       allowance_free_at(had.uses, counts, periods) AS free_at
                FROM asked WHERE asked.key = excluded.key
            ) AS verdict
        )
        RETURNING key, uses[cardinality(uses)] AS at, refused_until
    )
    SELECT key, NULL AS at, until AS refused_until, clock_timestamp() AS now FROM refused
    UNION ALL SELECT key, at, refused_until, clock_timestamp() FROM spent
"""


async def spend(*allowances: Allowance) -> list[Use]:
    """Use each allowance once, or none of them if one is used up.

    Raises:
        TooManyRequests: until the time when all are free again.
    """
    rated = [(each.key, rate.count, rate.period) for each in allowances for rate in each.rates]
    if not rated:
        return []
    rows = await fetch(_SPEND, *(list(column) for column in zip(*rated, strict=True)))
    refused = [row for row in rows if row["refused_until"]]
    uses = [Use(row["key"], row["at"]) for row in rows if not row["refused_until"]]
    if refused:
        await give_back(uses)
        last = max(refused, key=itemgetter("refused_until"))
        limits = {each.key: each.limit for each in allowances}
        raise TooManyRequests(
            retry_at=last["refused_until"], now=last["now"], limit=limits[last["key"]]
        )
    return uses


_LEFT = """
    SELECT min(count - (SELECT count(*) FROM unnest(uses) AS at WHERE at > now() - period)) AS left
    FROM allowance, unnest($2::int[], $3::interval[]) AS rate (count, period) WHERE key = $1
"""


async def left(allowance: Allowance) -> int:
    """Tell how many uses are left now, of an allowance that was used before."""
    counts = [rate.count for rate in allowance.rates]
    periods = [rate.period for rate in allowance.rates]
    (row,) = await fetch(_LEFT, allowance.key, counts, periods)
    return max(0, row["left"] or 0)


# Rows are locked in the order of their keys, as `spend` does: no two statements wait in a circle.
_GIVE_BACK = """
    WITH mine AS (
        SELECT key, uses FROM allowance WHERE key = ANY ($1) ORDER BY key FOR UPDATE
    ), rest AS (
        SELECT key, CASE WHEN at IS NULL THEN '{}' ELSE array_remove(uses, at) END AS uses
        FROM mine JOIN unnest($1::bytea[], $2::timestamptz[]) AS use (key, at) USING (key)
    ), emptied AS (
        DELETE FROM allowance USING rest WHERE allowance.key = rest.key AND rest.uses = '{}'
    )
    UPDATE allowance SET uses = rest.uses
    FROM rest WHERE allowance.key = rest.key AND rest.uses <> '{}'
"""


async def give_back(uses: Iterable[Use]) -> None:
    """Undo uses that turned out to be none; an allowance without uses is deleted."""
    uses = list(uses)
    if uses:
        await fetch(_GIVE_BACK, [use.key for use in uses], [use.at for use in uses])
