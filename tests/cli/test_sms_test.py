import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import gateways
from tests.support.gateways import Peer
from tests.support.processes import REQUEST_CODE, run, serving


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    with gateways.serving_gateways() as peer:
        yield peer


def test_sms_test_tries_each_gateway(peer: Peer) -> None:
    peer.answers["first"] = gateways.refuse(503)
    urls = f"{peer.gateway('first')},{peer.gateway('second')}"
    done = run("sms-test", "8 916 123-45-67", SMS_URLS=urls, DEFAULT_COUNTRY="RU")
    assert (done.returncode, done.stderr) == (1, "")
    head, first, second = done.stdout.splitlines()
    assert head.split() == ["gateway", "seconds", "result"]
    assert re.fullmatch(rf"json://127.0.0.1:{peer.port}   +\d\.\d\d  failed: .*503.*", first)
    assert re.fullmatch(rf"json://127.0.0.1:{peer.port} 2 +\d\.\d\d  sent", second)
    assert peer.texts[-2:] == ["This is a test of Connect Hub."] * 2
    assert peer.requests[-1].fields["to"] == "+79161234567"


def test_sms_test_exits_although_a_thread_hangs(peer: Peer) -> None:
    peer.answers["endless"] = gateways.trickle
    assert run("sms-test", "+79161234567", SMS_URLS=peer.gateway("second")).returncode == 0
    hung = run("sms-test", "+79161234567", SMS_URLS=peer.gateway("endless"), SMS_TIMEOUT="1")
    assert hung.returncode == 1
    assert "failed: no answer within 1.0 s" in hung.stdout


@pytest.mark.parametrize(
    ("number", "urls", "message"),
    [
        ("+79161234567", "simulated://", "SMS_URLS names no gateway"),
        ("12", "json://localhost/?:to={phone}", "not a mobile phone number"),
    ],
)
def test_sms_test_reports_a_missing_gateway(number: str, urls: str, message: str) -> None:
    refused = run("sms-test", number, SMS_URLS=urls)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert re.fullmatch(rf"Error: .*{message}.*\.\n", refused.stderr)


def test_server_exits_although_a_thread_hangs(folder: Path, peer: Peer) -> None:
    peer.answers["endless"] = gateways.trickle
    url = peer.gateway("endless")
    with serving(folder, SMS_URLS=url, SENDS_TOTAL="none", SMS_TIMEOUT="1") as server:
        assert server.ask(REQUEST_CODE, phone="+79161234567") == {}  # no CodeSent
        assert any(line["event"] == "sms gateway failed" for line in server.logged)
