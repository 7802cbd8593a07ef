import os
import re
import signal
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from connect_hub.database.config import serving_config
from connect_hub.domain import cleanup
from connect_hub.domain.invitations import Invited
from connect_hub.domain.live_updates import LiveUpdates
from connect_hub.domain.phone_numbers import PhoneNumber
from connect_hub.observability import metrics
from connect_hub.settings import Settings, StartupError, TestPhone
from tests.support import gateways
from tests.support.gateways import Peer
from tests.support.hub import EVENTS_KEPT, Hub, pass_time, wrong
from tests.support.processes import (
    HTTP,
    REGISTER,
    REQUEST_CODE,
    Server,
    eventually,
    numbers,
    serving,
)

TODAY = datetime.now(UTC).date()
TEST_PHONE, TEST_CODE = "+79990000011", "4821390"


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    with gateways.serving_gateways() as peer:
        yield peer


@pytest.fixture(scope="module")
def server(folder: Path, peer: Peer) -> Iterator[Server]:
    """Two workers that send by two gateways, of which the first does not work."""
    peer.answers["first"] = gateways.refuse(503)
    with serving(
        folder / "metrics",
        "--workers",
        "2",
        SMS_URLS=f"{peer.gateway('first')},{peer.gateway('second')}",
        SENDS_TOTAL="100/hour",
        TEST_PHONES=f"{TEST_PHONE}:{TEST_CODE}:{TODAY}",
        METRICS_PORT="0",
        CODE_LENGTH="7",
    ) as server:
        yield server


def scraped(server: Server) -> str:
    (address,) = re.findall(r"^Metrics:  (\S+)$", server.printed, re.MULTILINE)
    response = HTTP.get(address)
    assert response.status_code == 200
    return response.text


def total(server: Server, name: str, gateway: str) -> float:
    values = re.findall(
        rf'^connect_hub_sms_{name}_total{{country="RU",gateway="{re.escape(gateway)}"}} (\S+)$',
        scraped(server),
        re.MULTILINE,
    )
    return sum(map(float, values))


def counts(server: Server) -> Path:
    environ = Path(f"/proc/{min(server.workers)}/environ").read_bytes().decode()
    (folder,) = re.findall(r"\bPROMETHEUS_MULTIPROC_DIR=([^\0]+)", environ)
    return Path(folder)


def request_and_register(server: Server, peer: Peer, phone: str) -> Any:
    assert server.ask(REQUEST_CODE, phone=phone) == {"smsCode": None}
    return server.ask(REGISTER, phone=phone, code=peer.texts[-1][:7])


def test_counts_of_all_workers_are_summed_even_of_dead_ones(server: Server, peer: Peer) -> None:
    second = f"json://127.0.0.1:{peer.port} 2"
    for n in range(1, 13):
        if n == 6:
            eventually(lambda: len(server.workers) == 2)
            for worker in server.workers:
                os.kill(worker, signal.SIGKILL)
            eventually(lambda: len(server.workers) == 2 and server.is_ready)
        assert "client" in request_and_register(server, peer, f"+7{next(numbers)}")
        assert total(server, "sent", second) == total(server, "confirmed", second) == n
    failed = total(server, "failed", f"json://127.0.0.1:{peer.port}")
    assert failed == peer.asked.count("first") >= 3
    counted_by = {int(file.stem.rpartition("_")[2]) for file in counts(server).iterdir()}
    assert counted_by <= {0, *server.workers}  # 0 has what all dead ones counted


def counted(server: Server, name: str) -> float:
    values = re.findall(rf"^connect_hub_{name} (\S+)$", scraped(server), re.MULTILINE)
    return sum(map(float, values))


def test_operations_are_counted_by_their_name_in_the_schema(server: Server) -> None:
    name = 'operations_total{operation="me",outcome="ok"}'
    before = counted(server, name)
    server.ask("query AnyNameAtAll { mine: me { id } }")
    server.ask("query { ...Mine } fragment Mine on Query { ... { me { id } } }")
    eventually(lambda: counted(server, name) == before + 2)
    server.post("{ nothingOfTheKind }")
    none = 'operations_total{operation="none",outcome="GRAPHQL_VALIDATION_FAILED"}'
    eventually(lambda: counted(server, none) == 1)
    shown = scraped(server)
    assert not re.search("AnyNameAtAll|mine|nothingOfTheKind|Mine", shown)
    assert 'connect_hub_operation_seconds_bucket{le="10.0",operation="me"}' in shown


def test_guesses_are_counted_by_their_result(server: Server, peer: Peer) -> None:
    def guesses() -> list[float]:
        results = ("right", "wrong", "late")
        return [counted(server, f'guesses_total{{result="{result}"}}') for result in results]

    phone, before = f"+7{next(numbers)}", guesses()
    server.ask(REGISTER, phone=phone, code="0000000")
    server.ask(REQUEST_CODE, phone=phone)
    code = peer.texts[-1][:7]
    server.ask(REGISTER, phone=phone, code=wrong(code))
    server.ask(REGISTER, phone=phone, code=code)
    assert [now - then for now, then in zip(guesses(), before, strict=True)] == [1, 1, 1]


def test_pool_metrics_cover_only_living_workers(server: Server) -> None:
    eventually(lambda: counted(server, 'pool_connections{state="idle"}') >= 1)
    for worker in server.workers:
        os.kill(worker, signal.SIGKILL)
    eventually(lambda: len(server.workers) == 2 and server.is_ready)
    eventually(lambda: counted(server, 'pool_connections{state="idle"}') >= 1)
    told_by = {int(file.stem.rpartition("_")[2]) for file in counts(server).glob("gauge_*")}
    assert told_by <= server.workers


async def test_swept_rows_are_counted(hub: Hub) -> None:
    await hub.code_for("+79161234567")
    await pass_time(3600)

    def swept() -> float:
        (metric,) = metrics.SWEPT.collect()
        return sum(s.value for s in metric.samples if s.labels["table"] == "sign_in_code")

    before = swept()
    await cleanup.sweep_once(events_kept=EVENTS_KEPT)
    assert swept() == before + 1


def test_a_test_phone_is_shown_at_the_start_and_counted(server: Server) -> None:
    assert f"Test:     +799…11 until {TODAY}, by a fixed code, without SMS\n" in server.printed
    assert re.search(r"^connect_hub_test_phones 1\.0$", scraped(server), re.MULTILINE)
    assert server.ask(REQUEST_CODE, phone=TEST_PHONE) == {"smsCode": None}
    assert "client" in server.ask(REGISTER, phone=TEST_PHONE, code=TEST_CODE)
    assert total(server, "sent", "test") == total(server, "confirmed", "test") == 1


def test_no_response_log_or_metric_contains_a_code_a_phone_or_a_password(
    server: Server, peer: Peer
) -> None:
    phone = f"+7{next(numbers)}"
    request_and_register(server, peer, phone)
    code = peer.texts[-1][:7]
    everything = server.printed + server.errors.read_text() + scraped(server)
    everything += (server.data_dir / "postgres.log").read_text()
    for secret in (phone[1:], code, TEST_PHONE[1:], TEST_CODE, "user:", "pass@", "k3y0fHub"):
        assert secret not in everything
    assert f"SMS:      json://127.0.0.1:{peer.port}, then json://127.0.0.1:{peer.port} 2\n" in (
        server.printed
    )


def test_a_test_phone_is_no_longer_counted_after_its_day(settings: Settings) -> None:
    ended = TestPhone(TEST_PHONE, "4821", datetime(2026, 1, 1, tzinfo=UTC).date())
    changed = {"test_phones": (ended,), "metrics_port": 0}
    with metrics.serve_metrics(settings.model_copy(update=changed)) as port:
        assert "connect_hub_test_phones 0.0" in HTTP.get(f"http://127.0.0.1:{port}/metrics").text


def test_metrics_are_not_served_without_a_port(settings: Settings) -> None:
    with metrics.serve_metrics(settings) as port:
        assert port is None


def test_without_a_temporary_folder_several_workers_do_not_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    changed = {"workers": 2, "metrics_port": 0}
    with (
        pytest.raises(
            StartupError,
            match=r"METRICS_PORT with several WORKERS needs a temporary folder .* TMPDIR .*\.$",
        ),
        metrics.serve_metrics(settings.model_copy(update=changed)),
    ):
        pass


def test_port_in_use_stops_the_start(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(StartupError, match=rf"METRICS_PORT: .* port {port} .*"),
            metrics.serve_metrics(settings.model_copy(update={"metrics_port": port})),
        ):
            pass


async def test_subscribers_and_their_waits_are_counted(settings: Settings) -> None:
    def counted() -> tuple[Any, Any]:
        count, seconds = "connect_hub_subscribers", "connect_hub_event_seconds_sum"
        read = metrics.REGISTRY.get_sample_value
        return read(count), read(seconds)

    subscribers, seconds = counted()
    now = datetime.now(UTC)
    with LiveUpdates(serving_config(settings)).invited_stream(
        uuid4(), after=now - timedelta(seconds=60)
    ) as stream:
        invited_at = now - timedelta(seconds=30)
        stream.put(Invited(uuid4(), PhoneNumber("+79991234567"), None, invited_at))
        await anext(stream)
        assert counted()[0] == subscribers + 1
    assert counted()[0] == subscribers
    assert 30 <= counted()[1] - seconds < 40
