import re
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from connect_hub.database.connections import fetch
from connect_hub.domain.invitations import Invited
from connect_hub.domain.labels import label
from connect_hub.domain.phone_numbers import PhoneNumber
from connect_hub.settings import Settings
from tests.support.hub import Hub, Person, changed, pass_time

LIST = "{ me { invitedClients { nodes { id phone label } edges { node { phone label } } } } }"
UPDATE = """
mutation($name: String) { updateProfile(name: $name) {
  __typename ... on ProfileUpdated { client { name } } ... on UserError { message }
} }
"""


@pytest.mark.parametrize(
    ("phones", "phone", "shown"),
    [
        ("full", "+79991234567", "+7 999 123-45-67"),
        ("masked", None, "+7 999 •••-••-67"),
        ("hidden", None, "#[0-9a-f]{4}"),
    ],
)
async def test_an_inviter_sees_as_much_of_a_phone_as_the_server_shows(
    hub: Hub, settings: Settings, phones: str, phone: str | None, shown: str
) -> None:
    owner = await hub.person()
    guest = await hub.person("+79991234567")
    await guest.apply(owner.invitation_code)
    with changed(settings, invited_phones=phones):
        response = await hub.post(LIST, token=owner.token)
        config = (await hub.data("{ config { invitedPhones } }"))["config"]
    listed = response.json()["data"]["me"]["invitedClients"]
    (node,), (edge,) = listed["nodes"], listed["edges"]
    assert node["phone"] == edge["node"]["phone"] == phone
    assert node["label"] == edge["node"]["label"]
    assert re.fullmatch(shown.replace("+", r"\+"), node["label"])
    assert ("9991234567" in response.text) == (phones == "full")
    assert config == {"invitedPhones": phones.upper()}


@pytest.mark.parametrize("phones", ["full", "masked", "hidden"])
async def test_a_name_is_the_label_until_it_is_removed(
    hub: Hub, settings: Settings, phones: str
) -> None:
    owner, guest = await hub.people(2)
    await guest.apply(owner.invitation_code)
    for name in ("  Zoe\u0308 Łuk ", "Анна", "李小龍", "🙂"):
        updated = await _update(guest, name)
        assert updated["__typename"] == "ProfileUpdated"
    assert updated["client"]["name"] == "🙂"
    assert (await _update(guest, "  Zoe\u0308 "))["client"]["name"] == "Zo\u00eb"
    with changed(settings, invited_phones=phones):
        listed = (await hub.data(LIST, token=owner.token))["me"]["invitedClients"]
        assert listed["nodes"][0]["label"] == "Zo\u00eb"
        for nothing in ("", "  ", None):
            await _update(guest, "Zoe")
            assert (await _update(guest, nothing))["client"]["name"] is None
        listed = (await hub.data(LIST, token=owner.token))["me"]["invitedClients"]
        assert listed["nodes"][0]["label"] != "Zoe"


@pytest.mark.parametrize(
    "name",
    [
        *("x" * 65, "x" * 60_000, "e\u0301" * 65),
        *("a\nb", "a\u2028b", "a\u2029b", "a\x85b", "\t", "a\0b"),
        *("a\u200bb", "a\u202eb", "a\ufeff", "\u3164", "\u2800"),
    ],
)
async def test_a_name_that_cannot_be_read_is_refused(hub: Hub, name: str) -> None:
    (person,) = await hub.people(1)
    await _update(person, "Ann")
    refused = await _update(person, name)
    assert refused["__typename"] == "InvalidNameError", repr(name)
    assert (await hub.data("{ me { name } }", token=person.token))["me"]["name"] == "Ann"


async def test_a_name_is_as_long_as_it_is_after_its_normalization(hub: Hub) -> None:
    (person,) = await hub.people(1)
    assert (await _update(person, "e\u0301" * 64))["client"]["name"] == "é" * 64


async def test_a_name_is_in_every_answer_and_goes_with_the_account(hub: Hub) -> None:
    (person,) = await hub.people(1)
    await _update(person, "Ann")
    await pass_time(3600)
    query = """mutation($phone: String!, $code: String!) { login(phone: $phone, code: $code) {
        ... on SignedIn { accessToken refreshToken client { name } } } }"""
    code = await hub.code_for(person.phone)
    signed_in = (await hub.data(query, phone=person.phone, code=code))["login"]
    assert signed_in["client"]["name"] == "Ann"
    await fetch(  # as a server of the release before deletes a client
        "UPDATE client SET phone = NULL, deleted_at = now() WHERE id = $1", person.id
    )
    (row,) = await fetch("SELECT name FROM client WHERE id = $1", person.id)
    assert row["name"] is None


async def test_an_omitted_name_stays_as_it_is(hub: Hub) -> None:
    (person,) = await hub.people(1)
    await _update(person, "Ann")
    query = "mutation { updateProfile { ... on ProfileUpdated { client { name } } } }"
    kept = (await hub.data(query, token=person.token))["updateProfile"]
    assert kept["client"]["name"] == "Ann"


@pytest.mark.parametrize(
    "phone", ["+79991234567", "+4512345678", "+4915123456789", "+2909123456", "+6851234567"]
)
def test_a_masked_phone_hides_four_digits_at_least(phone: str) -> None:
    row = Invited(uuid4(), PhoneNumber(phone), None, datetime.now(UTC))
    shown = label(row, phones="masked")
    assert shown.count("•") >= 4
    assert shown.endswith(phone[-2:])


async def _update(person: Person, name: str | None) -> Any:
    return (await person.hub.data(UPDATE, token=person.token, name=name))["updateProfile"]
