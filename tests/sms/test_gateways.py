import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from time import monotonic
from typing import Any

import apprise.plugins
import httpx
import pytest
from structlog.testing import capture_logs

from connect_hub import sms
from connect_hub.app import create_app
from connect_hub.database.connections import fetch
from connect_hub.database.connections.scopes import current_pool
from connect_hub.settings import Settings, StartupError, TestPhone
from connect_hub.sms import failover
from connect_hub.sms.failover import FailoverSender
from connect_hub.sms.gateway import MAX_THREADS, Gateway
from connect_hub.sms.plugins import load_plugin
from tests.support import gateways
from tests.support.gateways import SECRETS, SMSC, TWILIO, VONAGE, Answer, Peer
from tests.support.hub import Hub, pass_time
from tests.support.processes import environment, eventually

PHONE = "+79991234567"
NOBODY = "Nobody will ask you for it: tell it to no one."
TEXT = f"4821 is your sign-in code. {NOBODY}\n@app.example.com #4821\nFA+9qCX9VSu"
SOON = timedelta(seconds=1)  # for gateways that hang
AMPLE = timedelta(seconds=20)  # for those that do not

WITH_HUB = Callable[..., AbstractAsyncContextManager[Hub]]


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    with gateways.serving_gateways() as peer:
        gateways.reached_by_apprise(peer, monkeypatch)
        yield peer


@pytest.fixture
def logged_by_libraries() -> Iterator[StringIO]:
    """The log of all libraries at their lowest level (caplog would bypass our settings)."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    loggers = [logging.getLogger(name) for name in ("apprise", "urllib3")]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield stream
    for logger in loggers:
        logger.setLevel(logging.NOTSET)
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def hub_with(hub: Hub, settings: Settings) -> WITH_HUB:
    """Serve the same database with other settings, and real gateways."""
    assert hub

    @asynccontextmanager
    async def serve(*urls: str, **changed: Any) -> AsyncIterator[Hub]:
        app = create_app(settings.model_copy(update={"sms_urls": urls, **changed}))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
            yield Hub(http)

    return serve


async def send(*urls: str, phone: str = PHONE, timeout: timedelta = AMPLE) -> str:
    return await FailoverSender(urls, timeout=timeout).send(sms.Message(phone, "RU", TEXT))


PLUGINS_OF = """
import sys
from connect_hub.sms.plugins import load_plugin
load_plugin(sys.argv[1])
print(*(name for name in sys.modules if name.startswith("apprise.plugins.")))
"""


@pytest.mark.parametrize(
    ("scheme", "plugin"),
    [("twilio", "twilio"), ("smsc", "smsc"), ("nexmo", "vonage"), ("jsons", "custom_json")],
)
def test_only_the_plugin_of_a_gateway_is_imported(scheme: str, plugin: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PLUGINS_OF, scheme], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == {"apprise.plugins.base", f"apprise.plugins.{plugin}"}


def test_every_scheme_of_apprise_has_its_plugin() -> None:
    schemes = apprise.plugins.N_MGR.schemas()
    assert len(schemes) > 200
    assert {scheme: load_plugin(scheme) for scheme in schemes} == {
        scheme: apprise.plugins.N_MGR[scheme] for scheme in schemes
    }
    assert load_plugin("smoke") is None


@pytest.mark.parametrize(
    ("url", "name", "path", "fields"),
    [
        (
            TWILIO,
            "twilio",
            f"/2010-04-01/Accounts/{gateways.SID}/Messages.json",
            {"To": PHONE, "From": "+15005550006", "Body": TEXT},
        ),
        (
            VONAGE,
            "vonage",
            "/sms/json",
            {"to": PHONE[1:], "from": "15005550006", "text": TEXT, "ttl": "900000"}
            | {"api_key": gateways.KEY, "api_secret": gateways.SECRET},
        ),
        (
            SMSC,
            "smsc",
            "/sys/send.php",
            {"phones": PHONE[1:], "mes": TEXT, "sender": "Hub", "fmt": "3"}
            | {"login": gateways.LOGIN, "psw": gateways.PASSWORD},
        ),
    ],
)
async def test_a_message_arrives_in_the_format_of_the_gateway(
    peer: Peer, url: str, name: str, path: str, fields: dict[str, str]
) -> None:
    assert await send(url) == name
    (request,) = peer.requests
    assert (request.path, request.fields) == (path, fields)


async def test_a_gateway_that_apprise_lacks_is_reached_by_json(peer: Peer) -> None:
    assert await send(peer.gateway("own")) == f"json://127.0.0.1:{peer.port}"
    (request,) = peer.requests
    assert (request.path, request.fields) == ("/own", {"to": PHONE, "text": TEXT})
    assert request.headers["X-Api-Key"] == "k3y0fHub"
    assert request.headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize("url", [TWILIO, SMSC])
async def test_gateway_with_wrong_credentials_fails_over_to_the_next(peer: Peer, url: str) -> None:
    wrong = url.replace(gateways.TOKEN, "0" * 32).replace(gateways.PASSWORD, "wrong")
    assert await send(wrong, VONAGE) == "vonage"
    assert len(peer.requests) == 2


async def test_rejection_by_vonage_with_status_200_counts_as_sent(peer: Peer) -> None:
    """docs/sms.md warns of this. Delete the test once apprise reads the response."""
    assert await send(VONAGE.replace(gateways.SECRET, "wrongwrongwrongw"), SMSC) == "vonage"
    assert peer.asked == ["sms"]


@pytest.mark.parametrize(
    "answer",
    [
        gateways.refuse(400),
        gateways.refuse(404),
        gateways.refuse(429),
        gateways.refuse(500),
        gateways.refuse(503),
        gateways.reset,
        gateways.garble,
        gateways.redirect,
        gateways.hang,
        gateways.trickle,
    ],
    ids=lambda answer: answer.__name__,
)
async def test_failing_gateway_fails_over_to_the_next(peer: Peer, answer: Answer) -> None:
    peer.answers["first"] = answer
    first, second = peer.gateway("first"), peer.gateway("second")
    timeout = 2 * SOON if answer in {gateways.hang, gateways.trickle} else AMPLE
    assert await send(first, second, timeout=timeout) == f"json://127.0.0.1:{peer.port} 2"
    assert peer.asked == ["first", "second"]


async def test_unreachable_gateway_fails_over_to_the_next(peer: Peer) -> None:
    nobody = "json://127.0.0.1:1/?:to={phone}"
    assert await send(nobody, peer.gateway("own")) == f"json://127.0.0.1:{peer.port}"


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_any_number_of_hanging_gateways_time_out_together(peer: Peer, count: int) -> None:
    peer.answers.update({f"g{n}": gateways.hang for n in range(count)})
    began = monotonic()
    with pytest.raises(sms.NotSentError):
        await send(*(peer.gateway(f"g{n}") for n in range(count)), timeout=SOON)
    assert monotonic() - began < 2 * SOON.total_seconds()
    names = [f"g{n}" for n in range(count)]
    await asyncio.to_thread(eventually, lambda: sorted(peer.asked) == names)


async def test_gateway_is_skipped_for_a_minute_after_three_failures(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.answers["first"] = gateways.refuse(500)
    sender = FailoverSender([peer.gateway("first"), peer.gateway("second")], timeout=AMPLE)
    message = sms.Message(PHONE, "RU", TEXT)
    for _ in range(5):
        await sender.send(message)
    assert peer.asked.count("first") == 3
    del peer.answers["first"]
    monkeypatch.setattr(failover, "monotonic", lambda: monotonic() + 61)
    assert await sender.send(message) == f"json://127.0.0.1:{peer.port}"
    monkeypatch.undo()
    assert await sender.send(message) == f"json://127.0.0.1:{peer.port}"


async def test_success_resets_the_count_of_failures(peer: Peer) -> None:
    sender = FailoverSender([peer.gateway("first"), peer.gateway("second")], timeout=AMPLE)
    message = sms.Message(PHONE, "RU", TEXT)
    for answers in [{"first": gateways.refuse(500)}, {}] * 4:
        peer.answers = dict(answers)
        await sender.send(message)
        await sender.send(message)
    assert peer.asked.count("first") == 16


async def test_all_gateways_are_tried_if_all_would_be_skipped(peer: Peer) -> None:
    peer.answers.update(first=gateways.refuse(500), second=gateways.refuse(500))
    sender = FailoverSender([peer.gateway("first"), peer.gateway("second")], timeout=AMPLE)
    message = sms.Message(PHONE, "RU", TEXT)
    for _ in range(4):
        with pytest.raises(sms.NotSentError):
            await sender.send(message)
    assert peer.asked == ["first", "second"] * 4
    del peer.answers["second"]
    assert await sender.send(message) == f"json://127.0.0.1:{peer.port} 2"


async def test_number_that_a_plugin_drops_is_neither_sent_elsewhere_nor_counted_as_a_failure(
    peer: Peer,
) -> None:
    """Twilio's plugin drops numbers of less than ten digits, and then texts its own sender."""
    sender = FailoverSender([TWILIO, peer.gateway("own")], timeout=AMPLE)
    for _ in range(4):
        await sender.send(sms.Message("+29051234", "SH", TEXT))
    assert peer.asked == ["own"] * 4
    assert await sender.send(sms.Message(PHONE, "RU", TEXT)) == "twilio"


async def test_hanging_gateway_occupies_only_its_own_threads(peer: Peer) -> None:
    peer.answers["first"] = gateways.trickle
    sender = FailoverSender([peer.gateway("first"), peer.gateway("second")], timeout=5 * SOON)
    message = sms.Message(PHONE, "RU", TEXT)
    sent = await asyncio.gather(*(sender.send(message) for _ in range(MAX_THREADS + 10)))
    assert set(sent) == {f"json://127.0.0.1:{peer.port} 2"}
    await asyncio.to_thread(eventually, lambda: len(_threads()) == MAX_THREADS)
    assert all(thread.daemon for thread in _threads())  # they keep no process from ending
    assert peer.asked.count("first") == MAX_THREADS


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "sms"]


@pytest.mark.parametrize(
    ("urls", "names"),
    [
        ((TWILIO, SMSC), ["twilio", "smsc"]),
        ((VONAGE, VONAGE), ["vonage", "vonage 2"]),
        (
            ("jsons://key:secret@sms.example.com:8443/k3y?:to={phone}",),
            ["jsons://sms.example.com:8443"],
        ),
        (("sns://AHIAJGNT76XIMXDBIJYA/bu1dHSdO22pfaaVy/wmNsdjJ5xUf/us-east-1/{phone}",), ["sns"]),
    ],
)
def test_a_gateway_is_named_by_its_scheme_and_host(urls: tuple[str, ...], names: list[str]) -> None:
    sender = FailoverSender(urls, timeout=SOON)
    assert str(sender) == ", then ".join(names)


@pytest.mark.parametrize(
    "urls",
    [
        [TWILIO.replace("{phone}", "")],
        [TWILIO.replace("{phone}", "{Phone}")],
        [TWILIO.replace("{phone}", "x{phone}y")],
        [SMSC, TWILIO.replace(gateways.SID, "12")],
        ["json://user:c0rrecthorse@localhost/{phone}/?retry={phone}", "c0rrecthorse://x/{phone}"],
        ["c0rrecthorse"],
        [TWILIO.replace("{phone}", ""), "simulated://"],
    ],
)
def test_a_wrong_url_is_refused_without_its_secrets(settings: Settings, urls: list[str]) -> None:
    settings = settings.model_copy(update={"sms_urls": tuple(urls)})
    with pytest.raises(StartupError) as refused:
        sms.create_sender(settings)
    message = str(refused.value)
    assert message.startswith("SMS_URLS: ")
    assert "\n" not in message
    assert not [secret for secret in SECRETS if secret in message]
    assert refused.value.__cause__ is None
    assert not [secret for secret in SECRETS if secret in repr(settings)]


async def test_code_is_sent_only_to_the_phone(peer: Peer, hub_with: WITH_HUB) -> None:
    async with hub_with(TWILIO, public_url="https://app.example.com") as hub:
        sent = await hub.request_code(PHONE)
        assert sent["__typename"] == "CodeSent"
        assert sent["smsCode"] is None
        code = peer.texts[0][:4]
        assert peer.texts == [f"{code} is your sign-in code. {NOBODY}\n@app.example.com #{code}"]
        assert (await hub.register(PHONE, code))["__typename"] == "SignedIn"


@pytest.mark.parametrize(
    ("header", "begins"),
    [("ru-RU,ru;q=0.9,en;q=0.8", "Никому не говорите код "), ("de", ""), ("ru;q=0, en;q=0.1", "")],
)
async def test_the_message_is_in_the_language_of_the_phone(
    peer: Peer, hub_with: WITH_HUB, header: str, begins: str
) -> None:
    async with hub_with(SMSC) as hub:
        query = f'mutation {{ requestCode(phone: "{PHONE}") {{ __typename }} }}'
        await hub.post(query, headers={"Accept-Language": header})
    (text,) = peer.texts
    assert text.startswith(begins)
    assert text.endswith(NOBODY) is not bool(begins)


async def test_another_code_can_be_requested_at_once_after_all_gateways_failed(
    peer: Peer, hub_with: WITH_HUB
) -> None:
    peer.answers["own"] = gateways.refuse(503)
    async with hub_with(peer.gateway("own")) as hub:
        for _ in range(12):
            refused = await hub.request_code(PHONE)
            assert refused["__typename"] == "SmsNotSentError"
        (block,) = await fetch("SELECT sent FROM number_block")
        assert block["sent"] == 0
        del peer.answers["own"]
        sent = await hub.request_code(PHONE)
        assert sent["__typename"] == "CodeSent"
        wait = datetime.fromisoformat(sent["resendAt"]) - datetime.now(UTC)
        assert timedelta(seconds=25) < wait < timedelta(seconds=35)
        assert (await hub.request_code(PHONE))["__typename"] == "TooManyRequestsError"
    assert len(set(peer.texts)) == 1


async def test_failed_resend_does_not_change_the_code(peer: Peer, hub_with: WITH_HUB) -> None:
    async with hub_with(peer.gateway("own")) as hub:
        await hub.request_code(PHONE)
        await pass_time(31)
        peer.answers["own"] = gateways.refuse(503)
        assert (await hub.request_code(PHONE))["__typename"] == "SmsNotSentError"
        del peer.answers["own"]
        sent = await hub.request_code(PHONE)
        wait = datetime.fromisoformat(sent["resendAt"]) - datetime.now(UTC)
        assert timedelta(seconds=55) < wait < timedelta(seconds=65)  # of the 2nd sending
        code = peer.texts[0][:4]
        assert (await hub.register(PHONE, code))["__typename"] == "SignedIn"


async def test_a_test_phone_waits_as_long_as_messages_take(peer: Peer, hub_with: WITH_HUB) -> None:
    latency = 0.5  # seconds; at least, so a busy machine does not matter
    peer.answers["slow"] = gateways.delay(latency)
    phone = TestPhone("+79990000011", "4821", datetime.now(UTC).date())
    async with hub_with(peer.gateway("slow"), test_phones=(phone,)) as hub:
        await hub.request_code(PHONE)
        started = monotonic()
        answer = await hub.request_code(phone.number)
        assert monotonic() - started >= latency
    assert answer["__typename"] == "CodeSent"
    assert len(peer.requests) == 1


async def test_slow_gateways_hold_neither_the_database_nor_the_event_loop(
    peer: Peer, hub_with: WITH_HUB
) -> None:
    peer.answers["slow"] = gateways.hang
    async with hub_with(peer.gateway("slow")) as hub:
        pool = await current_pool()
        more = 20  # twice as many as the pool has connections
        asked = [asyncio.create_task(hub.request_code(f"+7999{n:07}")) for n in range(more)]
        async with asyncio.timeout(5):
            await asyncio.to_thread(eventually, lambda: len(peer.requests) == more)
            assert len(pool.open) == len(pool.idle)
            assert (await hub.data("{ me { id } }"))["me"] is None
            sql = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
            ((count,),) = [row.values() for row in await fetch(sql)]
            assert count == 0
        assert not any(task.done() for task in asked)
        peer.released.set()
        for answer in await asyncio.gather(*asked):
            assert answer["__typename"] == "SmsNotSentError"


async def test_no_log_has_a_code_a_phone_or_a_password(
    peer: Peer,
    hub_with: WITH_HUB,
    logged_by_libraries: StringIO,
    capfd: pytest.CaptureFixture[str],
) -> None:
    peer.answers["2010-04-01"] = gateways.refuse(400)  # it repeats the whole request
    peer.answers["own"] = gateways.garble
    with capture_logs() as logged:
        async with hub_with(TWILIO, peer.gateway("own"), SMSC, code_length=7) as hub:
            sent = await hub.post(
                f'mutation {{ requestCode(phone: "{PHONE}") {{ ...F }} }} '
                "fragment F on CodeSent { phone smsCode codeLength }"
            )
            code = peer.texts[-1][:7]
            assert (await hub.register(PHONE, code))["__typename"] == "SignedIn"
    names = [(line["gateway"], line["country"]) for line in logged if "gateway" in line]
    assert names == [("twilio", "RU"), (f"json://127.0.0.1:{peer.port}", "RU")]
    everything = f"{logged}{logged_by_libraries.getvalue()}{capfd.readouterr()}"
    assert code not in everything + sent.text
    assert not [secret for secret in (PHONE[1:], "pass@", *SECRETS) if secret in everything]


def test_commands_that_send_nothing_do_not_import_apprise() -> None:
    code = "import sys, connect_hub.cli.main; sys.exit('apprise' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], env=environment(), check=True)


def test_repr_of_messages_and_gateways_contains_no_secret() -> None:
    shown = repr(sms.Message(PHONE, "RU", TEXT)) + repr(Gateway(TWILIO, position=1))
    sender = FailoverSender([TWILIO, SMSC], timeout=SOON)
    shown += f"{sender}{sender!r}{sender.breakers}"
    assert not [secret for secret in (PHONE[1:], "4821", *SECRETS) if secret in shown]
