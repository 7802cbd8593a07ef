import fcntl
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from graphql import build_schema

from connect_hub.app import create_app
from connect_hub.database import embedded
from connect_hub.settings import StartupError
from tests.support.processes import (
    ME,
    REGISTER,
    REQUEST_CODE,
    Client,
    Server,
    environment,
    eventually,
    finished,
    is_worker,
    run,
    serving,
    starting,
)

only_linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")

ELSEWHERE = {
    "DATABASE_URL": "postgresql://127.0.0.1:1/nowhere",
    "SECRET_KEY": "BC8TUkA6ntD7aMrXtmS4r5WHgo9g934dNNkmuUf6wUM=",
}
TODAY = datetime.now(UTC).date()
LATER = TODAY + timedelta(days=91)
GATEWAY = "json://localhost/?:to={phone}"
WRONG = [  # and the setting that the refusal names
    ({"PORT": "abc"}, "PORT"),
    ({"KEEP_ALIVE": "0"}, "KEEP_ALIVE"),
    ({"CODE_LIFETIME": "soon"}, "CODE_LIFETIME"),
    ({"ALLOWED_HOSTS": "foo*"}, "ALLOWED_HOSTS"),
    ({"SMS_COUNTRIES": "germany"}, "SMS_COUNTRIES"),
    ({"GUESSES_PER_PHONE": "0/day"}, "GUESSES_PER_PHONE"),
    ({"TRUSTED_PROXIES": "my-proxy"}, "TRUSTED_PROXIES"),
    ({**ELSEWHERE, "SECRET_KEY": "short"}, "SECRET_KEY"),
    ({**ELSEWHERE, "SECRET_KEY": ""}, "SECRET_KEY"),
    ({"DIRECT_DATABASE_URL": "postgresql://a@b/c"}, "DIRECT_DATABASE_URL"),
    ({**ELSEWHERE, "SMS_URLS": ""}, "SMS_URLS"),
    ({**ELSEWHERE, "SMS_URLS": "foo://"}, "SMS_URLS"),
    ({**ELSEWHERE, "SMS_URLS": "simulated://,json://localhost"}, "SMS_URLS"),
    ({**ELSEWHERE, "SMS_URLS": "json://localhost"}, "SMS_URLS"),
    ({"SMS_URLS": GATEWAY}, "SENDS_TOTAL"),
    ({"SMS_URLS": GATEWAY, "SENDS_TOTAL": ""}, "SENDS_TOTAL"),
    ({"SMS_URLS": GATEWAY, "SENDS_TOTAL": "unlimited"}, "SENDS_TOTAL"),
    ({**ELSEWHERE, "SMS_URLS": f"{GATEWAY},{GATEWAY}"}, "SENDS_TOTAL"),
    ({"SMS_TIMEOUT": "0"}, "SMS_TIMEOUT"),
    ({"SMS_ANDROID_HASH": "abc"}, "SMS_ANDROID_HASH"),
    ({"PUBLIC_URL": "app.example.com"}, "PUBLIC_URL"),
    ({"PUBLIC_URL": f"https://{'a' * 60}.{'b' * 60}.example.com"}, "PUBLIC_URL"),
    ({"METRICS_PORT": "http"}, "METRICS_PORT"),
    ({"TEST_PHONES": "+79990000011:4821"}, "TEST_PHONES"),
    ({"TEST_PHONES": "+79990000011:4821:2026-02-30"}, "TEST_PHONES"),
    ({"TEST_PHONES": f"+79990000011:4821:{LATER}"}, "TEST_PHONES"),
    ({"TEST_PHONES": "+79990000011:48213:2026-01-01"}, "TEST_PHONES"),
    ({"TEST_PHONES": f"+79990000001:4821:{TODAY}"}, "TEST_PHONES"),  # a documented number
    ({"TEST_PHONES": f"+79990000011:4821:{TODAY},+79991234567:4821:{TODAY}"}, "TEST_PHONES"),
    ({"TEST_PHONES": "+74951234567:4821:2026-01-01"}, "TEST_PHONES"),  # no mobile number
]


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """A server that all tests leave running."""
    with serving(folder / "shared", CODE_LENGTH="7") as server:  # 4 digits are found by chance
        yield server


@pytest.fixture(scope="module")
def made(folder: Path) -> Path:
    """A DATA_DIR whose database is there already, for servers that tests stop."""
    done = run("migrate", DATA_DIR=str(folder / "made"))
    assert re.fullmatch(r"(Applied \w+\.py\.\n)+", done.stdout), done
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "made"


@pytest.fixture(scope="module")
def earlier() -> list[Client]:
    """The clients who registered at servers that have stopped."""
    return []


@pytest.fixture(scope="module", autouse=True)
def second_serve(server: Server) -> Iterator[subprocess.Popen[str]]:
    """Start before the first test, for it waits 5 s for the server to stop."""
    with starting("serve", "--port", "0", DATA_DIR=str(server.data_dir)) as process:
        yield process


@pytest.fixture(scope="module", autouse=True)
def migrate_beside(server: Server) -> Iterator[subprocess.Popen[str]]:
    with starting("migrate", DATA_DIR=str(server.data_dir)) as process:
        yield process


def is_free(data_dir: Path) -> bool:
    """Whether no process of PostgreSQL runs in this folder."""
    with (data_dir / "postgres.lock").open("r+b") as lock, suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def is_bindable(port: int) -> bool:
    with suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True
    return False


def test_serve_prints_all_addresses(server: Server) -> None:
    data, *migrated, web, graphql, sms, last = server.printed.splitlines()
    assert data == f"Data:     {server.data_dir} (embedded PostgreSQL)"
    assert all(re.fullmatch(r"Migrated: \w+\.py", line) for line in migrated)
    assert web == f"Web:      http://127.0.0.1:{server.port}"
    assert graphql == f"GraphQL:  http://127.0.0.1:{server.port}/graphql (GraphiQL)"
    assert sms == "SMS:      simulated; each code is returned to whoever requests it"
    assert last == "Stop with Ctrl-C."
    page = server.get("/graphql", Accept="text/html")
    assert page.headers["Content-Type"].startswith("text/html")


def test_token_of_a_registration_identifies_the_client(server: Server) -> None:
    client = server.register()
    assert server.knows(client)
    assert server.ask(ME) is None


def test_connection_can_be_reused_after_the_default_timeout_of_uvicorn(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for pause in (6, 0):  # uvicorn's default is 5
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while not answer.endswith(b"alive\n"):  # head and body may come apart
                part = connection.recv(4096)
                assert part, answer
                answer += part
            assert answer.startswith(b"HTTP/1.1 200 ")
            time.sleep(pause)


def test_a_request_is_one_line_of_json(server: Server) -> None:
    answer = server.post(REQUEST_CODE, phone="12")
    line = server.line_about(answer)
    assert line.pop("milliseconds") > 0
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request",
        "level": "info",
        "method": "POST",
        "path": "/graphql",
        "operation": "RequestCode",
        "field": "requestCode",
        "outcome": "InvalidPhoneError",
        "network": "127.0.0.1",
        "status": 200,
        "request_id": answer.headers["X-Request-ID"],
    }


def test_the_line_of_a_viewer_names_the_client_and_the_network(server: Server) -> None:
    client = server.register()
    line = server.line_about(server.post(ME, token=client.token))
    assert (line["client"], line["network"], line["field"]) == (client.id, "127.0.0.1", "me")
    assert "client" not in server.line_about(server.post(ME, token=client.token[:-1]))


def test_request_id_of_the_client_is_logged_beside_ours(server: Server) -> None:
    answer = server.get("/healthz", **{"X-Request-ID": "Run-1_a.b"})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])
    assert server.line_about(answer)["client_request_id"] == "Run-1_a.b"


@pytest.mark.parametrize("strange", ["x" * 65, "a b", "a\tb", '"}', "{}", "%0a", ""])
def test_suspicious_request_id_is_not_logged(server: Server, strange: str) -> None:
    answer = server.get("/healthz", **{"X-Request-ID": strange})
    assert "client_request_id" not in server.line_about(answer)


PHONES = [
    "a79991237788",
    "79991237788a",
    "_79991237788",
    "7-999-123-77-88",
    "1-79991237788",
    "7.999.123.77.88",
    "+7 (999) 123-77-88",
]


@pytest.mark.parametrize("phone", PHONES)
def test_no_form_of_a_phone_is_logged(server: Server, phone: str) -> None:
    line = server.line_about(server.get(f"/{quote(phone)}", **{"X-Request-ID": phone}))
    assert not re.search(r"\d", line["path"])
    assert "client_request_id" not in line


@pytest.mark.parametrize("name", ["p_7_999_123_77_88", "p79991237788", "_4711", "a4711b"])
def test_no_number_in_the_name_of_an_operation_is_logged(server: Server, name: str) -> None:
    line = server.line_about(server.post(f"query {name} {{ __typename }}"))
    assert not re.search(r"\d", line["operation"])


def test_no_part_of_a_token_is_logged(server: Server) -> None:
    client = server.register()
    tag = client.refresh_token.rpartition(".")[2]
    for part in (client.refresh_token, tag, client.refresh_token[:64]):
        line = server.line_about(server.get(f"/{part}", **{"X-Request-ID": part}))
        assert tag[:8] not in str(line)
        assert "client_request_id" not in line


def test_no_log_contains_a_phone_a_code_or_a_token(server: Server) -> None:
    client = server.register()
    known = server.ask(REQUEST_CODE, phone=client.phone)["smsCode"]
    digits = client.phone.removeprefix("+")
    server.post(REGISTER, phone=client.phone, code="00000000")
    server.post(REGISTER, phone=client.phone, code=known)
    server.post(f'mutation {{ login(phone: "{client.phone}", code: "{known}") {{ id }} }}')
    server.post(f'mutation {{ login(phone: "{client.phone}", code: "{known}") }} }}')
    server.post(f"query Of{digits} {{ me {{ id }} }}")
    server.post(ME, token=client.token[:-1])
    server.get(f"/graphql?query={{me{{id}}}}&phone={digits}&token={client.token}")
    server.get(f"/{client.token}")
    last = server.get(f"/{client.phone}/{client.token}")
    assert server.line_about(last)["path"].startswith("/+…/")
    postgres = (server.data_dir / "postgres.log").read_text()
    everything = server.printed + server.errors.read_text() + postgres
    _, payload, signature = client.token.split(".")
    for secret in (digits, digits[1:], client.code, known, payload, signature):
        assert secret not in everything


def test_port_in_use_is_reported_before_anything_starts(server: Server, folder: Path) -> None:
    refused = run("serve", "--port", str(server.port), DATA_DIR=str(folder / "unused"))
    assert refused.stderr == (
        f"Error: 127.0.0.1 port {server.port} is in use:"
        " stop the program that listens there, or choose another --port.\n"
    )
    assert (refused.returncode, refused.stdout) == (1, "")
    assert not (folder / "unused").exists()
    assert server.is_ready


@pytest.mark.parametrize(("settings", "name"), WRONG)
def test_a_wrong_setting_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, str], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", environment(DATA_DIR=str(tmp_path), **settings))
    with pytest.raises(StartupError) as refused:
        create_app()
    assert re.fullmatch(rf".*\b{name}\b.*\.", str(refused.value))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"PORT": "abc"}, "PORT"),
        ({**ELSEWHERE, "SMS_URLS": "foo://"}, "SMS_URLS"),
        ({"SMS_URLS": GATEWAY}, "SENDS_TOTAL"),
        (ELSEWHERE, "DATABASE_URL"),
    ],
)
def test_a_wrong_setting_stops_the_start(folder: Path, settings: dict[str, str], name: str) -> None:
    refused = run("serve", **{"DATA_DIR": str(folder / "unused"), "PORT": "0", **settings})
    assert re.fullmatch(rf"Error: .*\b{name}\b.*\.\n", refused.stderr)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert not (folder / "unused").exists()


def test_schema_is_printed_without_a_database(folder: Path) -> None:
    printed = run("schema", DATA_DIR=str(folder / "unused"))
    schema = build_schema(printed.stdout)
    assert schema.mutation_type
    assert schema.mutation_type.name == "Mutation"
    assert (printed.returncode, printed.stderr) == (0, "")
    assert not (folder / "unused").exists()


def test_a_second_serve_on_the_same_folder_is_refused(
    server: Server, second_serve: subprocess.Popen[str]
) -> None:
    refused = finished(second_serve)
    assert refused.stderr == (
        f"Error: {server.data_dir} is in use by another connect-hub;"
        " stop it or choose another DATA_DIR.\n"
    )
    assert (refused.returncode, refused.stdout) == (1, "")
    assert server.is_ready


def test_migrate_beside_a_server_joins_its_database(
    server: Server, migrate_beside: subprocess.Popen[str]
) -> None:
    joined = finished(migrate_beside)
    assert (joined.stdout, joined.stderr) == ("The database is up to date.\n", "")
    assert joined.returncode == 0
    assert server.is_ready


@pytest.mark.parametrize(
    ("workers", "stop"),
    [("1", signal.SIGINT), ("2", signal.SIGINT), ("1", signal.SIGTERM)],
    ids=["Ctrl-C", "Ctrl-C, 2 workers", "SIGTERM"],
)
def test_stopped_server_exits_with_0_and_starts_again(
    made: Path, earlier: list[Client], workers: str, stop: signal.Signals
) -> None:
    with serving(made, "--workers", workers) as server:
        assert all(map(server.knows, earlier))
        earlier.append(server.register())
        port = server.port
        if stop is signal.SIGINT:
            os.killpg(server.process.pid, stop)  # a terminal sends it to all
        else:
            server.process.send_signal(stop)
        assert server.process.wait(timeout=10) == 0
        eventually(lambda: is_free(made))  # the guard's last sleep holds the lock for 0.1 s
        assert is_bindable(port)
        assert not (made / "postgres" / "postmaster.pid").exists()
        assert server.printed.endswith("Stop with Ctrl-C.\n")
        assert {line["level"] for line in server.logged} == {"info"}


def test_killed_server_leaves_no_postgresql_and_loses_nothing(
    made: Path, earlier: list[Client]
) -> None:
    with serving(made) as server:
        assert all(map(server.knows, earlier))
        client, port = server.register(), server.port
        server.process.kill()
        server.process.wait()
        eventually(lambda: is_free(made))
    with serving(made, port=port) as server:
        assert server.port == port
        assert server.knows(client)


@only_linux
def test_a_killed_worker_is_replaced_and_none_outlives_the_parent(
    made: Path, earlier: list[Client]
) -> None:
    with serving(made, "--workers", "2") as server:
        eventually(lambda: len(server.workers) == 2)
        killed = min(server.workers)
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: killed not in server.workers and len(server.workers) == 2)
        assert all(server.knows(client) for client in [server.register(), *earlier] * 4)
        workers, port = server.workers, server.port
        server.process.kill()
        server.process.wait()
        eventually(lambda: not any(map(is_worker, workers)))
        eventually(lambda: is_free(made))
        assert is_bindable(port)


def test_server_without_its_database_answers_503_until_it_is_back(made: Path) -> None:
    with starting("secret") as one, starting("secret") as other:
        first, second = (finished(process).stdout.strip() for process in (one, other))
    assert first != second
    host = quote(str(embedded.socket_folder(made)), safe="")
    url = f"postgresql://{embedded.USER}@/{embedded.DATABASE}?host={host}"
    with ExitStack() as postgres:
        postgres.enter_context(embedded.running(made))
        with serving(made, DATABASE_URL=url, SECRET_KEY=f"{first}, {second}") as server:
            client = server.register()
            postgres.close()
            assert server.get("/healthz").status_code == 200
            assert server.get("/readyz").status_code == 503
            assert_unavailable(server.post(REQUEST_CODE, phone=client.phone))
            assert_unavailable(server.post(REGISTER, phone=client.phone, code=client.code))
            assert_unavailable(server.post(ME, token=client.token))
            assert client.phone[1:] not in server.errors.read_text()
            with embedded.running(made):
                eventually(lambda: server.is_ready)
                assert server.knows(client)
                assert server.knows(server.register())


def assert_unavailable(response: httpx.Response) -> None:
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    (error,) = response.json()["errors"]
    assert error["message"] == "The database does not answer; try again in a moment."
    assert error["extensions"] == {"code": "SERVICE_UNAVAILABLE"}
