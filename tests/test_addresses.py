import pytest
from starlette.types import Scope
from structlog.testing import capture_logs

from connect_hub.addresses import ClientAddresses
from connect_hub.settings import Settings


def _request(peer: str | None, *forwarded: str) -> Scope:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    client = (peer, 1234) if peer else None
    return {"type": "http", "headers": headers, "client": client}


def _addresses(*trusted: str) -> ClientAddresses:
    settings = Settings(_env_file=None, trusted_proxies=trusted)
    return ClientAddresses(settings.trusted_proxies)


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        (None, [], "local"),
        (None, ["192.0.2.1"], "local"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1:5678"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.66, 192.0.2.1"], "192.0.2.1"),  # who asks wrote the first one
        ("10.0.0.1", ["192.0.2.66", "192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1, 10.0.0.2"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1, 10.0.0.2", " 10.0.0.3 "], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ("192.0.2.1", ["192.0.2.66"], "192.0.2.1"),
        ("::ffff:192.0.2.1", [], "192.0.2.1"),
        ("::ffff:10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["::ffff:192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["[2001:db8::1]:5678"], "2001:db8::/64"),
        ("10.0.0.1", ["[2001:db8::1]"], "2001:db8::/64"),
        ("10.0.0.1", ["2001:db8:0:1:2:3:4:5"], "2001:db8:0:1::/64"),
        ("fe80::1%eth0", [], "fe80::/64"),
    ],
)
def test_the_address_is_the_last_one_that_no_trusted_proxy_has(
    peer: str | None, forwarded: list[str], address: str
) -> None:
    assert _addresses("10.0.0.0/8").of(_request(peer, *forwarded)) == address


def test_an_untrusted_peer_that_forwards_is_warned_of_once() -> None:
    addresses = _addresses()
    with capture_logs() as logs:
        for _ in range(3):
            assert addresses.of(_request("192.0.2.1", "192.0.2.66")) == "192.0.2.1"
    assert [entry["log_level"] for entry in logs] == ["warning"]
