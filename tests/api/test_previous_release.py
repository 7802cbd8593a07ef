"""Clients of release 0.1.0: their documents run unchanged, also where others use what is new."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLField,
    GraphQLNamedType,
    GraphQLUnionType,
    build_schema,
    find_breaking_changes,
    get_named_type,
    is_composite_type,
    parse,
    validate,
)

from connect_hub.domain import campaigns
from connect_hub.settings import Settings
from tests.support.documentation import REPOSITORY
from tests.support.hub import Hub, Person, changed, pass_time
from tests.support.sockets import Sockets

FORMER = build_schema((Path(__file__).parent / "schema-0.1.0.graphql").read_text())
PHONE, NEXT = "+79995550000", "+79995550001"


def _document(kind: str, name: str) -> str:
    """Write the document that selects every field of an operation of the former schema."""
    root = getattr(FORMER, f"{kind}_type").fields[name]
    declared = ", ".join(f"${name}: {argument.type}" for name, argument in root.args.items())
    given = ", ".join(f"{name}: ${name}" for name in root.args)
    head = f"({declared})" if declared else ""
    call = f"({given})" if given else ""
    return f"{kind} Operation{head} {{ {name}{call} {_selection(root)} }}"


def _selection(field: GraphQLField) -> str:
    type_ = get_named_type(field.type)
    return f"{{ __typename {_fields(type_)} }}" if is_composite_type(type_) else ""


def _fields(type_: GraphQLNamedType) -> str:
    if isinstance(type_, GraphQLUnionType):
        return " ".join(f"... on {each} {{ {_fields(each)} }}" for each in type_.types)
    fields: dict[str, GraphQLField] = type_.fields  # type: ignore[attr-defined]  # of an object type
    return " ".join(f"{name} {_selection(field)}" for name, field in fields.items())


def _operations() -> Iterator[tuple[str, str]]:
    for kind in ("query", "mutation", "subscription"):
        for name in getattr(FORMER, f"{kind}_type").fields:
            yield kind, name


DOCUMENTS = {name: _document(kind, name) for kind, name in _operations()}


async def _ask(hub: Hub, name: str, *, token: str | None = None, **variables: str) -> Any:
    return (await hub.data(DOCUMENTS[name], token=token, **variables))[name]


def test_only_the_phone_of_invited_clients_has_changed() -> None:
    present = build_schema((REPOSITORY / "schema.graphql").read_text())
    changes = [change.description for change in find_breaking_changes(FORMER, present)]
    assert changes == ["Field InvitedClient.phone changed type from PhoneNumber! to PhoneNumber."]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_select_what_the_former_schema_has(name: str) -> None:
    assert validate(FORMER, parse(DOCUMENTS[name])) == []


@pytest.fixture
async def owner(hub: Hub) -> Person:
    """Register a client who has replaced its code, and whom a guest of a campaign has invited."""
    (code,) = await campaigns.create(count=1, max_uses=None, expires_at=None, note=None)
    guest, owner, named = await hub.people(3)
    await guest.apply(code)
    await owner.apply(guest.invitation_code)
    await named.apply(owner.invitation_code)
    query = 'mutation { updateProfile(name: "Ann") { __typename } }'
    await hub.data(query, token=named.token)
    await owner.renew()
    return owner


@pytest.mark.parametrize("phones", ["full", "masked", "hidden"])
async def test_the_story_is_told_by_former_documents(
    hub: Hub, owner: Person, settings: Settings, phones: str
) -> None:
    with changed(settings, invited_phones=phones, invitations_per_client=2):
        sent = await _ask(hub, "requestCode", phone=PHONE)
        assert sent["phone"] == PHONE
        answer = await _ask(hub, "register", phone=PHONE, code=sent["smsCode"])
        guest = hub.signed_in(answer)
        applied = await _ask(
            hub, "applyInvite", token=guest.token, invitationCode=owner.invitation_code
        )
        assert applied["client"]["someoneInvitationCode"] == owner.invitation_code
        await owner.renew()
        me = await _ask(hub, "me", token=guest.token)
        assert me["someoneInvitationCode"] == applied["client"]["someoneInvitationCode"]
        invited = (await _ask(hub, "me", token=owner.token))["invitedClients"]
        assert invited["nodes"][0]["id"] == guest.id
        assert [node["phone"] for node in invited["nodes"]] == [
            each if phones == "full" else None for each in (PHONE, "+79990000002")
        ]
        late = await hub.person()
        refused = await _ask(
            hub, "applyInvite", token=late.token, invitationCode=owner.invitation_code
        )
        assert refused["__typename"] == "InvitationUsedUpError"


async def test_the_account_is_kept_by_former_documents(hub: Hub, owner: Person) -> None:
    await pass_time(60)
    sent = await _ask(hub, "requestCode", phone=owner.phone)
    person = hub.signed_in(await _ask(hub, "login", phone=owner.phone, code=sent["smsCode"]))
    refreshed = await _ask(hub, "refreshSession", refreshToken=person.refresh_token)
    assert refreshed["client"]["invitationCode"] == owner.invitation_code
    token = refreshed["accessToken"]
    await pass_time(60)
    await person.sign_in()
    sessions = (await _ask(hub, "me", token=token))["sessions"]
    assert len(sessions) == 3
    ended = await _ask(hub, "endSession", token=token, id=sessions[-1]["id"])
    assert ended["id"] == sessions[-1]["id"]
    assert (await _ask(hub, "endOtherSessions", token=token))["count"] == 1
    sent = await _ask(hub, "requestCode", phone=NEXT)
    moved = await _ask(hub, "changePhone", token=token, phone=NEXT, code=sent["smsCode"])
    assert moved["client"]["phone"] == NEXT
    assert (await _ask(hub, "deleteAccount", token=token))["phone"] == NEXT


@pytest.mark.parametrize("phones", ["full", "hidden"])
async def test_former_subscribers_hear_of_registrations_with_a_code(
    hub: Hub, owner: Person, sockets: Sockets, settings: Settings, phones: str
) -> None:
    with changed(settings, invited_phones=phones):
        async with sockets.connected(owner.token) as socket:
            await socket.subscribe(DOCUMENTS["clientInvited"])
            code = await hub.code_for(PHONE)
            answer = await hub.register(PHONE, code, owner.invitation_code)
            event = await socket.event()
    assert event["id"] == answer["client"]["id"]
    assert event["phone"] == (PHONE if phones == "full" else None)
