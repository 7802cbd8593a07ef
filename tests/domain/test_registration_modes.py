import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from connect_hub import sms
from connect_hub.database.connections import fetch
from connect_hub.domain import campaigns
from connect_hub.settings import Settings
from connect_hub.sms import SimulatedSender
from tests.support.hub import Hub, Person, changed, pass_time

STRANGER = "+79995550000"
UNKNOWN = "ZZZZZZ"
ALL_FIELDS = """
mutation($phone: String!, $code: String) { requestCode(phone: $phone, invitationCode: $code) {
  __typename
  ... on CodeSent { phone smsCode codeLength expiresAt expiresIn resendAt resendIn }
  ... on TooManyRequestsError {
    retryAt retryIn limit liveCode { codeLength expiresAt expiresIn } message }
  ... on UserError { message }
} }
"""


@pytest.fixture
def invited(settings: Settings) -> Iterator[None]:
    with changed(settings, registration="invited"):
        yield


@pytest.fixture
def closed(settings: Settings) -> Iterator[None]:
    with changed(settings, registration="closed"):
        yield


@pytest.fixture
def gateway(sender: SimulatedSender) -> Iterator[SimulatedSender]:
    """Send in the background, as through a gateway."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sender, "simulated", False)
        yield sender


@pytest.fixture
async def people(hub: Hub, settings: Settings, sender: SimulatedSender) -> list[Person]:
    """Register two people while everybody may."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sender, "simulated", True)
        patch.setattr(settings, "registration", "open")
        people = await hub.people(2)
    await pass_time(3600)
    sender.outbox.clear()
    return people


@pytest.fixture
def known(people: list[Person]) -> Person:
    return people[0]


async def _sends() -> None:
    """Wait until all sends in the background have ended."""
    await asyncio.sleep(1)


@pytest.mark.usefixtures("invited")
async def test_registration_needs_an_invitation_whatever_the_phone_is(
    hub: Hub, known: Person
) -> None:
    before = await fetch("TABLE allowance ORDER BY key")
    for phone in (known.phone, STRANGER, "nonsense", "+1"):
        refused = await hub.register(phone, "1234")
        assert refused["__typename"] == "InvitationRequiredError"
    assert await fetch("TABLE allowance ORDER BY key") == before


@pytest.mark.usefixtures("closed")
async def test_nobody_registers_where_registration_is_closed(hub: Hub, known: Person) -> None:
    for phone in (known.phone, STRANGER, "nonsense"):
        for invitation in (None, known.invitation_code, UNKNOWN):
            refused = await hub.register(phone, "1234", invitation)
            assert refused["__typename"] == "RegistrationClosedError"
    code = (await hub.request_code(known.phone))["smsCode"]
    assert (await hub.login(known.phone, code))["__typename"] == "SignedIn"


@pytest.mark.usefixtures("invited")
async def test_an_invited_person_registers_and_a_registered_one_signs_in(
    hub: Hub, known: Person
) -> None:
    (campaign,) = await campaigns.create(count=1, max_uses=1, expires_at=None, note=None)
    for number, invitation in enumerate([known.invitation_code, campaign]):
        phone = f"+7999555000{number}"
        code = (await hub.request_code(phone, invitation))["smsCode"]
        answer = await hub.register(phone, code, invitation)
        assert answer["client"]["someoneInvitationCode"] == invitation
    code = (await hub.request_code(known.phone))["smsCode"]
    assert (await hub.login(known.phone, code))["__typename"] == "SignedIn"


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("mode", ["invited", "closed"])
async def test_strangers_get_no_sms_without_a_live_invitation(
    hub: Hub, known: Person, settings: Settings, sender: SimulatedSender, mode: str
) -> None:
    used, over = await campaigns.create(count=2, max_uses=1, expires_at=None, note=None)
    await known.apply(used)
    await campaigns.end(over)
    sender.outbox.clear()
    with changed(settings, registration=mode):
        for number, invitation in enumerate([None, UNKNOWN, "", "nonsense", used, over]):
            sent = await hub.request_code(f"+7999555000{number}", invitation)
            assert sent["__typename"] == "CodeSent"
        with changed(settings, invitations_per_client=1):
            owner = known.invitation_code
            await fetch(
                "INSERT INTO invited_count (client_id, count, deleted) VALUES ($1, 1, 0)", known.id
            )
            await hub.request_code("+79995550008", owner)
            await _sends()
        assert not sender.outbox
        await hub.request_code("+79995550009", owner)
        await hub.request_code(known.phone)
        await _sends()
    phones = {message.phone for message in sender.outbox}
    assert phones == {known.phone} | ({"+79995550009"} if mode == "invited" else set())


@pytest.mark.parametrize(
    "where", ["invited simulated", "invited sent", "closed simulated", "closed sent"]
)
async def test_answers_to_known_and_unknown_phones_are_the_same(
    hub: Hub, people: list[Person], settings: Settings, sender: SimulatedSender, where: str
) -> None:
    (known, ended), (mode, kind) = people, where.split()
    await fetch("UPDATE client SET blocked_at = now() WHERE id = $1", ended.id)
    phones = [known.phone, ended.phone, STRANGER]
    with (
        changed(settings, registration=mode),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sender, "simulated", kind == "simulated")
        for _ in range(8):  # codes, resends, waits and exhausted limits
            answers = {await _masked(hub, phone) for phone in phones}
            assert len(answers) == 1
            again = {await _masked(hub, phone) for phone in phones}
            assert len(again) == 1
            rows = await fetch(
                "SELECT length, sends, guesses FROM sign_in_code WHERE phone = ANY ($1)", phones
            )
            assert len(rows) == 3
            assert len({tuple(row.values()) for row in rows}) == 1
            await pass_time(130)  # a multiple of 10 s, so that `_masked` rounds all times alike
        if kind == "sent":
            await _sends()


@pytest.mark.usefixtures("invited", "gateway")
async def test_a_failing_gateway_does_not_show_who_is_registered(
    hub: Hub,
    known: Person,
    sender: SimulatedSender,
    monkeypatch: pytest.MonkeyPatch,
) -> None:

    async def fail(_: sms.Message) -> str:
        raise sms.NotSentError("down")

    monkeypatch.setattr(sender, "send", fail)
    for _ in range(3):
        answers = {await _masked(hub, phone) for phone in (known.phone, STRANGER)}
        assert len(answers) == 1
        await _sends()


@pytest.mark.usefixtures("invited")
async def test_a_stranger_s_simulated_digits_do_not_work_and_stay_the_same(
    hub: Hub, known: Person
) -> None:
    for number in range(10):
        phone = f"+7999555000{number}"
        digits = (await hub.request_code(phone))["smsCode"]
        refused = await hub.register(phone, digits, known.invitation_code)
        assert refused["__typename"] == "InvalidCodeError"
        await pass_time(60)
        assert (await hub.request_code(phone))["smsCode"] == digits


@pytest.mark.usefixtures("invited", "gateway")
async def test_an_invitation_sends_to_so_many_strangers_and_answers_the_same_then(
    hub: Hub, known: Person, settings: Settings, sender: SimulatedSender
) -> None:
    sender.outbox.clear()
    phones = [f"+799955500{number:02}" for number in range(40)]
    answers = await asyncio.gather(
        *(hub.request_code(phone, known.invitation_code) for phone in phones)
    )
    assert {answer["__typename"] for answer in answers} == {"CodeSent"}
    await _sends()
    assert len(sender.outbox) == settings.sends_per_invitation[0].count == 20
    await hub.request_code(known.phone, known.invitation_code)  # a registered phone gets its code
    await _sends()
    assert len(sender.outbox) == 21


@pytest.mark.usefixtures("invited", "gateway")
@pytest.mark.parametrize("is_signed_in", [False, True])
@pytest.mark.parametrize("is_registered", [False, True])
async def test_the_limit_of_an_invitation_does_not_show_who_is_registered(
    hub: Hub,
    people: list[Person],
    sender: SimulatedSender,
    *,
    is_signed_in: bool,
    is_registered: bool,
) -> None:
    """Use up the limit by a phone of interest, and see whether the next stranger gets an SMS."""
    owner, known = people

    async def ask(phone: str) -> None:
        if is_signed_in:
            await owner.request_code(phone)
        else:
            await hub.request_code(phone, owner.invitation_code)

    strangers = [f"+799955511{n:02}" for n in range(19)]
    await asyncio.gather(*map(ask, [*strangers, known.phone if is_registered else STRANGER]))
    await _sends()
    assert len(sender.outbox) == 20
    await ask("+79995550099")
    await _sends()
    assert len(sender.outbox) == 20


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("mode", ["invited", "closed"])
async def test_a_client_changes_to_a_new_phone(
    hub: Hub, known: Person, settings: Settings, sender: SimulatedSender, mode: str
) -> None:
    with changed(settings, registration=mode):
        await known.request_code(known.phone)
        await _sends()
        again = hub.signed_in(await hub.login(known.phone, _code(sender)))
        assert (await again.request_code(STRANGER))["__typename"] == "CodeSent"
        await _sends()
        answer = await again.change_phone(STRANGER, _code(sender))
        assert answer["client"]["phone"] == STRANGER


@pytest.mark.parametrize("mode", ["invited", "closed"])
async def test_the_digits_for_a_client_s_new_phone_work_while_sms_is_simulated(
    hub: Hub, known: Person, settings: Settings, mode: str
) -> None:
    with changed(settings, registration=mode):
        code = (await hub.request_code(known.phone))["smsCode"]
        again = hub.signed_in(await hub.login(known.phone, code))
        code = (await again.request_code(STRANGER))["smsCode"]
        assert (await again.change_phone(STRANGER, code))["__typename"] == "PhoneChanged"


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("mode", ["invited", "closed"])
async def test_a_token_that_does_not_work_sends_nothing_and_the_answer_is_the_same(
    hub: Hub, people: list[Person], settings: Settings, sender: SimulatedSender, mode: str
) -> None:
    viewer, ended = people
    await ended.end_this()
    tokens = {"none": None, "ended": ended.token, "nonsense": "nonsense", "live": viewer.token}
    answers: dict[str, str] = {}
    sent_to: dict[str, bool] = {}
    with changed(settings, registration=mode):
        for number, (kind, token) in enumerate(tokens.items()):
            phone = f"+7999555000{number}"
            answers[kind] = await _masked(hub, phone, token=token)
            await _sends()
            sent_to[kind] = [message.phone for message in sender.outbox] == [phone]
    assert len(set(answers.values())) == 1
    assert [kind for kind, was_sent in sent_to.items() if was_sent] == ["live"]


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("mode", ["invited", "closed"])
async def test_the_limits_of_sending_hold_for_signed_in_clients(
    hub: Hub, known: Person, settings: Settings, sender: SimulatedSender, mode: str
) -> None:
    phones = [f"+799955500{number:02}" for number in range(40)]
    with changed(settings, registration=mode):
        await asyncio.gather(*map(known.request_code, phones))
        await _sends()
        assert len(sender.outbox) == settings.sends_per_invitation[0].count
        assert (await known.request_code(phones[0]))["__typename"] == "TooManyRequestsError"
        network = hub.at("198.51.100.7")
        known.hub = network
        answers = await asyncio.gather(
            *(known.request_code(f"+79995551{n:03}") for n in range(100))
        )
        await _sends()
    names = [answer["__typename"] for answer in answers]
    assert names.count("CodeSent") == settings.sends_per_address[0].count


@pytest.mark.usefixtures("invited", "gateway")
async def test_unknown_invitations_count_by_network_and_not_by_phone(
    hub: Hub, known: Person, settings: Settings
) -> None:
    stranger = hub.at("198.51.100.7")
    count = settings.unknown_invitations_per_address[0].count
    for number in range(count):
        phone = f"+799955501{number:02}"
        await stranger.request_code(phone, known.invitation_code)  # known codes do not count
        await hub.request_code(f"+799955502{number:02}", "nonsense")
    await _sends()
    names = []
    for number in range(count + 1):
        answer = await stranger.request_code(f"+799955503{number:02}", UNKNOWN)
        names.append((answer["__typename"], answer.get("limit")))
    assert [name for name, _ in names].count("CodeSent") >= count - 1
    code = (await hub.request_code(STRANGER))["__typename"]
    assert code == "CodeSent"


async def test_the_invitation_of_a_request_does_not_matter_where_all_may_register(hub: Hub) -> None:
    for invitation in (UNKNOWN, "nonsense", ""):
        phone = f"+799955500{len(invitation):02}"
        code = (await hub.request_code(phone, invitation))["smsCode"]
        assert (await hub.register(phone, code))["__typename"] == "SignedIn"


@pytest.mark.parametrize("mode", ["open", "invited", "closed"])
async def test_the_config_says_what_a_page_must_show(
    hub: Hub, settings: Settings, mode: str
) -> None:
    query = "{ config { registration codeLength countries defaultCountry } }"
    with changed(settings, registration=mode, sms_countries=("DE", "RU"), code_length=6):
        shown = (await hub.data(query))["config"]
    assert shown == {
        "registration": mode.upper(),
        "codeLength": 6,
        "countries": ["DE", "RU"],
        "defaultCountry": None,
    }


def _code(sender: SimulatedSender) -> str:
    """Read the code of the latest SMS."""
    found = re.search(r"\d+", sender.outbox[-1].text)
    assert found
    return found[0]


async def _masked(hub: Hub, phone: str, *, token: str | None = None) -> str:
    """Request a code, and return the whole answer without what is random or names the phone."""
    response = await hub.post(ALL_FIELDS, token=token, phone=phone, code=None)
    answer: Any = response.json()
    sent = answer["data"]["requestCode"]
    for name in ("expiresIn", "resendIn", "retryIn"):
        if name in sent:
            sent[name] = round(sent[name], -1)
    if live := sent.get("liveCode"):
        live["expiresIn"] = round(live["expiresIn"], -1)
    if sent.get("smsCode"):
        sent["smsCode"] = re.sub(r"\d", "n", sent["smsCode"])
    text = json.dumps(answer).replace(phone, "PHONE")
    headers = {name: value for name, value in response.headers.items() if name != "x-request-id"}
    return re.sub(r"20\d\d-[^\"]*Z", "TIME", text) + str(headers)
