import pytest
from starlette.types import Scope
from structlog.testing import capture_logs

from connect_hub.server.client_address import ClientAddresses
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
        ("10.0.0.1", ["192.0.2.66, 192.0.2.1"], "192.0.2.1"),  # the client wrote the first one
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
def test_address_is_the_last_one_outside_the_trusted_proxies(
    peer: str | None, forwarded: list[str], address: str
) -> None:
    assert _addresses("10.0.0.0/8").of(_request(peer, *forwarded)) == address


@pytest.mark.parametrize(
    "wrapped",
    [
        "::ffff:192.0.2.33",
        "::ffff:0:192.0.2.33",
        "::192.0.2.33",
        "64:ff9b::192.0.2.33",
        "64:FF9B:0:0:0:0:C000:0221",
        "64:ff9b:1:c000:2:2100::",  # the prefixes of RFC 6052: 48, 56, 64 and 96 bits
        "64:ff9b:1:3c0:0:221::",
        "64:ff9b:1:344:c0:2:2100:0",
        "64:ff9b:1:344::192.0.2.33",
        "64:ff9b:1::192.0.2.33",
        "2002:c000:0221::1",
        "2002:c000:221:abcd:1:2:3:4",
        "2001:0:4136:e378:8000:63bf:3fff:fdde",
    ],
)
@pytest.mark.parametrize("form", ["{}", "[{}]", "[{}]:5678", "{}%eth0", "[{}%eth0]:5678"])
def test_ipv4_address_embedded_in_ipv6_counts_as_ipv4(wrapped: str, form: str) -> None:
    addresses, written = _addresses("10.0.0.0/8"), form.format(wrapped)
    assert addresses.of(_request("10.0.0.1", written)) == "192.0.2.33"
    assert addresses.of(_request(wrapped)) == "192.0.2.33"


@pytest.mark.parametrize(
    "own",
    [
        "2001:db8::5efe:192.0.2.33",  # ISATAP: the owner of the network chooses the rest
        "2001:db8::200:5efe:192.0.2.33",
        "2001:db8::192.0.2.33",
        "64:ff9b:2::192.0.2.33",
        "2003:c000:221::1",
        "::1",
    ],
)
def test_other_ipv6_addresses_count_by_their_64(own: str) -> None:
    assert ":" in _addresses().of(_request(own))


@pytest.mark.parametrize("peer", ["64:ff9b::10.0.0.1", "2002:a00:1::1", "::10.0.0.1"])
def test_embedded_address_does_not_make_a_proxy_trusted(peer: str) -> None:
    assert _addresses("10.0.0.0/8").of(_request(peer, "192.0.2.1")) == "10.0.0.1"


def test_forwarded_header_of_an_untrusted_peer_is_logged_once() -> None:
    addresses = _addresses()
    with capture_logs() as logs:
        for _ in range(3):
            assert addresses.of(_request("192.0.2.1", "192.0.2.66")) == "192.0.2.1"
    assert [entry["log_level"] for entry in logs] == ["warning"]
