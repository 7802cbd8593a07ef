"""SECRET_KEY is changed in three steps, while replicas may be of two neighbouring ones."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import httpx
import pytest
from pydantic import SecretStr

from connect_hub.app import create_app
from connect_hub.database.connections import fetch
from connect_hub.security.keys import Keys, new_secret
from connect_hub.settings import Settings
from connect_hub.sms import SimulatedSender
from tests.support.hub import Hub, Person, pass_time

OLD, NEW = new_secret(), new_secret()
STEPS = [OLD, f"{OLD},{NEW}", f"{NEW},{OLD}", NEW]
PHONE = "+79991234567"


@asynccontextmanager
async def _replica(secret: str, settings: Settings) -> AsyncIterator[Hub]:
    changed = settings.model_copy(update={"secret_key": SecretStr(secret)})
    transport = httpx.ASGITransport(create_app(changed, SimulatedSender(0, 0)))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
        yield Hub(http)


@pytest.mark.parametrize(("before", "after"), list(pairwise(STEPS)), ids=["append", "swap", "drop"])
async def test_replicas_of_two_steps_accept_tokens_and_codes_of_each_other(
    hub: Hub, settings: Settings, before: str, after: str
) -> None:
    del hub  # which has emptied the tables
    async with _replica(before, settings) as one, _replica(after, settings) as other:
        person = await one.person(PHONE)
        for here, there in ((one, other), (other, one), (one, other)):
            assert await Person(**{**vars(person), "hub": there}).works()
            person.hub = there
            assert (await person.refresh())["__typename"] == "SignedIn"
            await fetch("DELETE FROM sign_in_code")
            code = await here.code_for(PHONE)
            assert (await there.login(PHONE, code))["__typename"] == "SignedIn"


async def test_client_that_refreshes_at_each_step_stays_signed_in(
    hub: Hub, settings: Settings
) -> None:
    del hub
    async with _replica(STEPS[0], settings) as first:
        person = await first.person()
    for secret in STEPS:
        async with _replica(secret, settings) as person.hub:
            assert await person.works()
            assert (await person.refresh())["__typename"] == "SignedIn"
            await pass_time(86_400)


async def test_client_that_refreshes_after_the_last_step_must_sign_in_again(
    hub: Hub, settings: Settings
) -> None:
    del hub
    async with _replica(STEPS[0], settings) as first:
        person = await first.person()
    async with _replica(STEPS[-1], settings) as person.hub:
        assert not await person.works()
        assert (await person.refresh())["__typename"] == "InvalidRefreshTokenError"
    assert len(await fetch("SELECT FROM session")) == 1


@pytest.mark.parametrize("steps", [STEPS, STEPS[::-1]], ids=["forward", "back"])
def test_rotation_resets_rate_limits_only_once(steps: list[str]) -> None:
    counted_as = [Keys(secret).pseudonym(PHONE, purpose="guesses") for secret in steps]
    assert sum(one != other for one, other in pairwise(counted_as)) == 1


async def test_the_public_keys_of_each_step_verify_the_tokens_of_its_neighbours(
    hub: Hub, settings: Settings
) -> None:
    del hub
    published = []
    for secret in STEPS:
        async with _replica(secret, settings) as replica:
            answer = (await replica.http.get("/.well-known/jwks.json")).json()
            published.append([key["kid"] for key in answer["keys"]])
    (old,), (new,) = published[0], published[-1]
    assert published == [[old], [old, new], [new, old], [new]]
