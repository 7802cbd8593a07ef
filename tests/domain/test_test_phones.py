"""Phones of TEST_PHONES, which sign in by a fixed code and without an SMS."""

import hmac
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from connect_hub.app import create_app
from connect_hub.database.connections import fetch
from connect_hub.settings import Settings, TestPhone
from connect_hub.sms import Message, SimulatedSender
from tests.domain.test_rate_limits import DAY, guess_until_spent
from tests.support.hub import Hub, counted_statements, pass_time, wrong

TODAY = datetime.now(UTC).date()
SHORT, LONG, ENDED = "+79990000001", "+79990000002", "+79990000003"
PHONES = (
    TestPhone(SHORT, "4821", TODAY),
    TestPhone(LONG, "48213907", TODAY),
    TestPhone(ENDED, "4821", TODAY - timedelta(days=1)),
)


class Outbox:
    """A sender that behaves like a real gateway."""

    simulated = False

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, message: Message) -> str:
        self.messages.append(message)
        return "own"

    async def simulate_latency(self) -> None:
        """Take no time, as `send` does."""


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


@pytest.fixture
async def review(hub: Hub, settings: Settings, outbox: Outbox) -> AsyncIterator[Hub]:
    """A server with test phones and a real gateway."""
    assert hub
    app = create_app(settings.model_copy(update={"test_phones": PHONES}), outbox)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
        yield Hub(http)


def name(answer: Any) -> str:
    typename: str = answer["__typename"]
    return typename


@pytest.mark.parametrize("phone", PHONES[:2])
async def test_a_test_phone_signs_in_by_its_code_and_nothing_is_sent(
    review: Hub, outbox: Outbox, phone: TestPhone
) -> None:
    sent = await review.request_code(phone.number)
    assert (sent["smsCode"], sent["codeLength"]) == (None, len(phone.code))
    assert name(await review.register(phone.number, phone.code)) == "SignedIn"
    await review.request_code(phone.number)
    assert name(await review.login(phone.number, phone.code)) == "SignedIn"
    assert not outbox.messages


async def test_simulated_sms_make_a_test_phone_wait_too(hub: Hub, settings: Settings) -> None:
    assert hub
    latency = 0.3  # seconds; at least, so a busy machine does not matter
    changed = settings.model_copy(update={"test_phones": PHONES})
    app = create_app(changed, SimulatedSender(latency, latency))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub") as http:
        started = monotonic()
        assert name(await Hub(http).request_code(SHORT)) == "CodeSent"
        assert monotonic() - started >= latency


async def test_answers_to_wrong_codes_take_as_much_work_as_of_other_phones(
    review: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []
    digest = hmac.digest

    def counted(*values: Any) -> bytes:
        computed.append(values)
        return digest(*values)

    monkeypatch.setattr(hmac, "digest", counted)
    work = []
    for phone in (SHORT, "+79990000009"):
        await review.request_code(phone)
        computed.clear()
        with counted_statements(monkeypatch) as statements:
            assert name(await review.login(phone, "x")) == "InvalidCodeError"
            assert name(await review.request_code(phone)) == "TooManyRequestsError"
        work.append((len(computed), statements))
    assert work[0] == work[1]


async def test_code_of_a_test_phone_is_wrong_before_it_was_requested(review: Hub) -> None:
    assert name(await review.register(SHORT, "4821")) == "InvalidCodeError"
    await review.request_code(SHORT)
    assert name(await review.register(SHORT, "4821")) == "SignedIn"
    assert name(await review.login(SHORT, "4821")) == "InvalidCodeError"


async def test_test_phone_is_an_ordinary_phone_after_its_last_day(
    review: Hub, outbox: Outbox
) -> None:
    assert (await review.request_code(ENDED))["smsCode"] is None
    (message,) = outbox.messages
    assert message.phone == ENDED
    assert name(await review.register(ENDED, message.text[:4])) == "SignedIn"


async def test_all_limits_hold_for_a_test_phone(review: Hub) -> None:
    await review.request_code(SHORT)
    assert name(await review.request_code(SHORT)) == "TooManyRequestsError"  # the wait
    for left in (2, 1, 0):
        assert (await review.login(SHORT, wrong("4821")))["attemptsLeft"] == left
    assert name(await review.register(SHORT, "4821")) == "InvalidCodeError"
    for _ in range(4):
        await pass_time(200)
        assert name(await review.request_code(SHORT)) == "CodeSent"
    await pass_time(200)
    assert name(await review.request_code(SHORT)) == "TooManyRequestsError"  # 5 an hour


async def test_short_fixed_code_is_rejected_under_attack(review: Hub, outbox: Outbox) -> None:
    await guess_until_spent(review, SHORT, code="4821")
    await fetch("DELETE FROM sign_in_code")
    await pass_time(2 * 3600)
    assert (await review.request_code(SHORT))["codeLength"] == 8
    for typed in ("4821", "00004821", "48214821"):
        assert name(await review.register(SHORT, typed)) == "InvalidCodeError"
    assert not outbox.messages
    await pass_time(DAY)
    await review.request_code(SHORT)
    assert name(await review.register(SHORT, "4821")) == "SignedIn"


async def test_long_fixed_code_is_accepted_under_attack(review: Hub) -> None:
    await review.request_code(LONG)
    for n in range(99):
        assert (await review.register(LONG, wrong("48213907")))["attemptsLeft"] == 99 - n
    assert name(await review.register(LONG, "48213907")) == "SignedIn"


async def test_neither_settings_nor_logs_show_a_test_phone(review: Hub) -> None:
    with capture_logs() as logged:
        await review.request_code(SHORT)
        await review.register(SHORT, "4821")
    assert SHORT[1:] not in f"{logged}{PHONES}"
    assert "4821" not in repr(PHONES)
