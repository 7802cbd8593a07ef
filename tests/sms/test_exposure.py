"""Simulated SMS: a server that other machines reach must not simulate without permission."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from connect_hub.app import create_app
from connect_hub.settings import Settings, StartupError
from connect_hub.sms import exposure
from tests.support.hub import REQUEST_CODE, Hub
from tests.support.processes import Server, run, serving

NOTICE = "SMS are simulated on this server: anyone can sign in with any phone number."
ANY = "0.0.0.0"  # noqa: S104 (nothing listens there)
PUBLIC = [
    {"HOST": ANY},
    {"HOST": "0"},  # which systems read as 0.0.0.0
    {"HOST": "::"},
    {"HOST": "::ffff:0.0.0.0"},
    {"HOST": "192.168.1.5"},
    {"HOST": "fe80::1"},
    {"ALLOWED_HOSTS": "hub.example.com"},
    {"ALLOWED_HOSTS": "localhost,127.0.0.1,192.168.1.5"},
    {"ALLOWED_HOSTS": "*.example.com"},
    {"ALLOWED_HOSTS": "*"},
    {"ALLOWED_HOSTS": "localhost.example.com"},
    {"PUBLIC_URL": "https://hub.example.com"},
    {"PUBLIC_URL": "http://192.168.1.5:8000"},
]
PROXIED = [{"TRUSTED_PROXIES": "127.0.0.1"}, {"TRUSTED_PROXIES": "10.0.0.0/8"}]
LOCAL = [
    {},
    {"HOST": "localhost"},
    {"HOST": "127.0.0.2"},
    {"HOST": "::1"},
    {"HOST": "::ffff:127.0.0.1"},
    {"ALLOWED_HOSTS": "localhost,hub.localhost,*.localhost,127.0.0.1,[::1]"},
    {"PUBLIC_URL": "http://localhost:5173"},
    {"PUBLIC_URL": "http://127.0.0.1:5173"},
]
NONE = {"SMS_URLS": ""}  # simulated because nothing is set
SIMULATED = {"SMS_URLS": "simulated://?delay=0"}
PERMITTED = {"SIMULATION_IS_PUBLIC": "yes"}
GATEWAY = {"SMS_URLS": "json://127.0.0.1:9/?:to={phone}", "SENDS_TOTAL": "1000/day"}


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with serving(folder / "simulation") as server:
        yield server


def sms(server: Server, *settings: dict[str, str]) -> tuple[int, str, str]:
    merged = {name: value for each in settings for name, value in each.items()}
    done = run("doctor", DATA_DIR=str(server.data_dir), **merged)
    found = re.search(r"^sms +(\S+) +(.*)$", done.stdout, re.MULTILINE)
    assert found, done
    return done.returncode, found[1], found[2]


def settings_of(*parts: dict[str, str]) -> Settings:
    merged = {name.lower(): value for part in parts for name, value in part.items() if value}
    return Settings(_env_file=None, **merged)  # type: ignore[arg-type]  # as an environment has them


@pytest.mark.parametrize("exposing", PUBLIC, ids=str)
@pytest.mark.parametrize("rest", [NONE, SIMULATED, NONE | PERMITTED], ids=str)
def test_public_server_does_not_simulate_sms(
    exposing: dict[str, str], rest: dict[str, str]
) -> None:
    with pytest.raises(
        StartupError, match=f"^SMS are simulated, but {next(iter(exposing))}"
    ) as refusal:
        exposure.check(settings_of(exposing, rest))
    assert "SMS_URLS=simulated:// and SIMULATION_IS_PUBLIC=yes" in str(refusal.value)


@pytest.mark.parametrize("exposing", PUBLIC + PROXIED, ids=str)
def test_both_settings_together_permit_public_simulation(exposing: dict[str, str]) -> None:
    settings = settings_of(exposing, SIMULATED, PERMITTED)
    exposure.check(settings)
    assert exposure.is_permitted(settings)


@pytest.mark.parametrize("exposing", LOCAL, ids=str)
def test_simulation_for_this_machine_is_accepted(exposing: dict[str, str]) -> None:
    assert exposure.find_exposure(settings_of(exposing)) is None


@pytest.mark.parametrize("settings", [NONE | PUBLIC[0], SIMULATED | PUBLIC[-2]], ids=str)
def test_serve_rejects_public_simulation_in_one_line(
    settings: dict[str, str], tmp_path: Path
) -> None:
    refused = run("serve", "--port", "0", DATA_DIR=str(tmp_path / "none"), **settings)
    assert refused.returncode == 1
    assert re.fullmatch(r"Error: SMS are simulated, but .*\n", refused.stderr), refused
    assert not (tmp_path / "none").exists()


def test_option_host_counts_like_the_setting(tmp_path: Path) -> None:
    refused = run("serve", "--host", ANY, "--port", "0", DATA_DIR=str(tmp_path / "none"))
    assert refused.returncode == 1
    assert f"HOST={ANY} lets" in refused.stderr


@pytest.mark.parametrize("exposing", [PUBLIC[0], PUBLIC[-1], *PROXIED], ids=str)
def test_doctor_fails_if_other_machines_reach_a_simulation(
    server: Server, exposing: dict[str, str]
) -> None:
    returncode, state, details = sms(server, SIMULATED, exposing)
    assert (returncode, state) == (1, "FAILED")
    assert next(iter(exposing)) in details
    returncode, state, details = sms(server, SIMULATED, PERMITTED, exposing)
    assert (returncode, state) == (0, "warning")
    assert details.startswith(NOTICE)
    assert sms(server, GATEWAY, exposing)[:2] == (0, "ok")


def test_permitted_simulation_prints_a_warning_at_start(folder: Path) -> None:
    settings = SIMULATED | PERMITTED
    with serving(folder / "permitted", port=0, ALLOWED_HOSTS="127.0.0.1,hub", **settings) as server:
        assert f"Warning:  {NOTICE} ALLOWED_HOSTS names hub" in server.printed


@pytest.mark.parametrize("phone", ["+79991234567", "nothing"])
async def test_response_with_a_simulated_code_has_a_notice(hub: Hub, phone: str) -> None:
    answer = (await hub.post(REQUEST_CODE, phone=phone)).json()
    assert answer["extensions"] == {"notice": NOTICE}
    assert "extensions" not in (await hub.post("{ me { id } }")).json()


@pytest.mark.parametrize(
    ("path", "accept"),
    [("/", "text/html"), ("/i/ABC123", "text/html"), ("/graphql", "text/html")],
)
async def test_every_page_shows_the_notice_of_simulation(hub: Hub, path: str, accept: str) -> None:
    page = await hub.http.get(path, headers={"Accept": accept})
    assert f'<body><aside class="server-notice" lang="en">{NOTICE}</aside>' in page.text


@pytest.mark.parametrize("path", ["/", "/graphql", "/healthz", "/nothing", "/assets/nothing.js"])
async def test_every_response_has_the_notice_in_a_header_only_while_simulated(
    hub: Hub, settings: Settings, path: str
) -> None:
    assert (await hub.http.get(path)).headers["connect-hub-notice"] == NOTICE
    real = create_app(settings.model_copy(update={"sms_urls": (GATEWAY["SMS_URLS"],)}))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(real), base_url="http://hub"
    ) as other:
        answer = await other.get(path, headers={"Accept": "text/html"})
    assert "connect-hub-notice" not in answer.headers
    assert NOTICE not in answer.text
