"""Invitation codes: which ones stories apply, and whether the database counts their uses right."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from connect_hub.domain.invitation_codes import new_code

USES_PER_CLIENT = 6  # of INVITATIONS_PER_CLIENT
USES_PER_CAMPAIGN = 3
_CAMPAIGNS = 500  # more than are used up by a load
_LATEST = 200  # codes of other clients, of which one is applied
_MAY_REFUSE = {"InvitationRingError", "InvitationCodeNotFoundError"}  # codes without a follower
_CREATE = f"""
    INSERT INTO campaign (id, code, uses, max_uses, created_at)
    SELECT gen_random_uuid(), code, 0, {USES_PER_CAMPAIGN}, now() FROM unnest($1::text[]) AS code
    WHERE NOT EXISTS (SELECT FROM client WHERE invitation_code = code)
    ON CONFLICT DO NOTHING
"""

random = Random()  # noqa: S311 (which code is applied, no secret)

Rows = dict[str, dict[str, Any]]


@dataclass
class Invitations:
    """Codes to apply: those of campaigns, followers and other clients, and former ones."""

    campaigns: list[str] = field(default_factory=list)  # each until it is used up
    followed: list[str] = field(default_factory=list)
    latest: list[str] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)

    @classmethod
    async def create(cls, database: Any) -> "Invitations":
        """Create campaigns, as an operator does."""
        codes = sorted({new_code() for _ in range(_CAMPAIGNS)})
        await database.execute(_CREATE, codes)
        rows = await database.execute("SELECT code FROM campaign WHERE code = ANY ($1)", codes)
        return cls(campaigns=[row["code"] for row in rows])

    def add(self, code: str) -> None:
        self.latest.append(code)
        del self.latest[:-_LATEST]

    def remove(self, code: str | None) -> None:
        for codes in (self.campaigns, self.followed, self.latest):
            if code in codes:
                codes.remove(code)

    def retire(self, code: str) -> None:
        """Note that a client has replaced its code."""
        self.retired.append(code)
        del self.retired[:-_LATEST]

    def choose(self) -> str | None:
        """Choose a code; None if there is none yet."""
        chance = random.random()
        if self.campaigns and chance < 0.2:
            return self.campaigns[0]
        if self.retired and chance < 0.25:
            return random.choice(self.retired)
        if self.followed and chance < 0.5:
            return random.choice(self.followed)
        return random.choice(self.latest) if self.latest else None

    def may_refuse(self, code: str, kind: str) -> bool:
        """Return whether a code that is not used up may be refused so."""
        return kind in _MAY_REFUSE and code not in {*self.campaigns, *self.followed}


@dataclass
class Tables:
    """What the database holds about codes."""

    clients: Rows  # by id
    counts: Rows  # by the id of the client
    campaigns: Rows  # by code
    retired: Rows  # by code

    @property
    def owners(self) -> dict[str, Any]:
        """The client of each code; None is a campaign."""
        return {
            **{code: str(row["client_id"]) for code, row in self.retired.items()},
            **{row["invitation_code"]: id_ for id_, row in self.clients.items()},
            **dict.fromkeys(self.campaigns),
        }


def check(tables: Tables, used_up: set[str]) -> Iterator[str]:
    """Return what is wrong.

    Args:
        tables: those of the database.
        used_up: codes that were refused as used up.
    """
    yield from _owners(tables)
    yield from _edges(tables)
    uses = dict(_uses(tables))
    for who, (count, limit) in uses.items():
        if count > limit:
            yield f"{who} is applied {count} times, of {limit}"
    owners = tables.owners
    for code in used_up:
        count, limit = uses.get(owners.get(code) or code, (0, USES_PER_CLIENT))
        if count < limit:
            yield f"{code} was refused as used up after {count} uses, of {limit}"


def _owners(tables: Tables) -> Iterator[str]:
    codes = [client["invitation_code"] for client in tables.clients.values()]
    for code, count in Counter([*codes, *tables.campaigns, *tables.retired]).items():
        if count > 1:
            yield f"{code} belongs to {count}"


def _edges(tables: Tables) -> Iterator[str]:
    owners = tables.owners
    for id_, client in tables.clients.items():
        inviter, applied = client["inviter_id"], client["applied_invitation_code"]
        if inviter and not applied:
            yield f"{id_} has an inviter, but the code that it applied is not stored"
        elif applied and owners.get(applied, id_) != (str(inviter) if inviter else None):
            yield f"{id_} applied {applied}, and its inviter is {inviter}"


def _uses(tables: Tables) -> Iterator[tuple[str, tuple[int, int]]]:
    """Count who applied the codes of each client and campaign, beside the limit."""
    invited = Counter(str(client["inviter_id"]) for client in tables.clients.values())
    for id_ in tables.clients:
        yield id_, (invited[id_], USES_PER_CLIENT)
    applied = Counter(client["applied_invitation_code"] for client in tables.clients.values())
    for code, campaign in tables.campaigns.items():
        yield code, (applied[code], campaign["max_uses"])


def check_counts(tables: Tables) -> Iterator[str]:
    """Compare the counts with the clients who are counted."""
    clients = tables.clients.values()
    invited = Counter((str(each["inviter_id"]), each["deleted_at"] is None) for each in clients)
    for id_ in tables.clients:
        row = tables.counts.get(id_, {"count": 0, "deleted": 0})
        counted, came = (row["count"], row["deleted"]), (invited[id_, True], invited[id_, False])
        if counted != came:
            yield f"{id_} has invited {came}, and {counted} are counted: there, and deleted"
    applied = Counter(client["applied_invitation_code"] for client in clients)
    for code, campaign in tables.campaigns.items():
        if campaign["uses"] != applied[code]:
            yield f"{code} was applied by {applied[code]}, and {campaign['uses']} are counted"
