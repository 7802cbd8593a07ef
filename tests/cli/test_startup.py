"""The environment of the commands: the shell, files, folders and ports."""

import os
import re
import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner

from connect_hub.app import create_app
from connect_hub.cli.main import main
from connect_hub.security.keys import new_secret
from connect_hub.settings import Rate, Settings, StartupError, load, renamed_settings, sources
from tests.support import processes
from tests.support.processes import environment, run, serving

OF_ANOTHER_SERVER = {
    "PGHOST": "db.example.com",
    "PGPORT": "1",
    "PGUSER": "somebody",
    "PGDATABASE": "another",
    "PGPASSWORD": "hunter2",
    "PGSERVICE": "nothing",
    "PGSERVICEFILE": "/nowhere",
    "PGOPTIONS": "-c nothing=1",
    "PGSSLMODE": "verify-full",
    "PGSSLROOTCERT": "/nowhere",
    "PGSSLCERT": "/nowhere",
    "PGSSLKEY": "/nowhere",
    "PGSSLCRL": "/nowhere",
    "PGSSLNEGOTIATION": "direct",
    "PGSSLMINPROTOCOLVERSION": "TLSv9",
    "PGTARGETSESSIONATTRS": "standby",
    "PGCHANNELBINDING": "require",
    "PGREQUIREAUTH": "none",
    "PGGSSENCMODE": "require",
    "PGKRBSRVNAME": "nothing",
    "PGGSSLIB": "nothing",
    "PGCLIENTENCODING": "WIN1251",
    "PGTZ": "Asia/Kathmandu",
    "PGDATESTYLE": "German",
    "PGCONNECT_TIMEOUT": "1",
    "PGDATA": "/nowhere",
    "PGAPPNAME": "another",
}


def test_embedded_database_ignores_postgresql_variables_of_the_shell(folder: Path) -> None:
    home = folder / "home"
    home.mkdir()
    (home / ".pgpass").mkdir()  # a folder is not readable as a file
    shell = {**OF_ANOTHER_SERVER, "PGPASSFILE": "/nowhere", "HOME": str(home)}
    data_dir = folder / "shell"
    done = run("migrate", DATA_DIR=str(data_dir), **shell)
    assert (done.returncode, done.stderr) == (0, "")
    with serving(data_dir, port=0, **shell) as server:
        assert server.knows(server.register())
        for command in (["stats"], ["doctor"], ["migrate"]):
            done = run(*command, DATA_DIR=str(data_dir), **shell)
            assert (done.returncode, done.stderr) == (0, ""), done


LINES = {
    "für".encode("latin-1"): "not text in UTF-8",
    "PORT=1\n".encode("utf-16"): "not text in UTF-8",
    b"\xff\xfe\xfd": "not text in UTF-8",
    b"PORT=1\nISSUER=a\0b\n": "line 2, cannot be parsed",
    b"PORT=1\nISSUER='a\n": "line 2, cannot be parsed",
    b"PORT 1\n": "line 1, cannot be parsed",
}


@pytest.mark.parametrize("content", LINES)
@pytest.mark.parametrize("command", ["serve", "migrate", "stats", "doctor", "sms-test 1"])
def test_unreadable_env_file_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes, command: str
) -> None:
    (tmp_path / ".env").write_bytes(content)
    output = invoked(monkeypatch, tmp_path, command, DATA_DIR=str(tmp_path / "unused"))
    assert re.fullmatch(rf".*\.env.*{LINES[content]}.*\.\n", output)
    assert not (tmp_path / "unused").exists()


def test_folder_in_place_of_the_env_file_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").mkdir()  # as docker does where a mount's source is missing
    output = invoked(monkeypatch, tmp_path, "serve")
    assert output == (
        "Error: .env cannot be read (Is a directory): make it a file that this user may read, or"
        " remove it.\n"
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("pa$word", "pa$word"),
        ("pa$$word", "pa$$word"),
        ("pa${word}x", "pa${word}x"),
        ("pa${HOME:-x}", "pa${HOME:-x}"),
        ("'pa${word} # x'", "pa${word} # x"),
        ('"pa${word} $HOME"', "pa${word} $HOME"),
        ("pa#word", "pa#word"),
        ("#word", "#word"),
        ("pa # a comment", "pa"),
        ("  pa  ", "pa"),
        ("a=b=c", "a=b=c"),
        ("пароль", "пароль"),
    ],
)
def test_values_of_the_env_file_are_read_literally(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, written: str, read: str
) -> None:
    (tmp_path / ".env").write_text(f"\ufeffISSUER={written}\n", encoding="utf-8")
    assert loaded(monkeypatch, tmp_path, HOME="/root").issuer == read


def test_the_environment_wins_over_the_env_file_and_blanks_count_as_unset(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("ISSUER=file\nAUDIENCE=file\nPORT= \nexport HOST=::\nMORE=1\n")
    settings = loaded(monkeypatch, tmp_path, ISSUER="shell", AUDIENCE="", DATA_DIR=" ")
    assert (settings.issuer, settings.audience, settings.port) == ("shell", "file", 8000)
    assert (settings.host, settings.data_dir.is_absolute()) == ("::", True)


@pytest.mark.parametrize("protocol", ["tcp", "udp", "sctp"])
def test_variable_of_a_kubernetes_service_named_metrics_is_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, protocol: str
) -> None:
    link = {
        "METRICS_SERVICE_HOST": "10.0.0.1",
        "METRICS_SERVICE_PORT": "9000",
        "METRICS_PORT": f"{protocol}://10.0.0.1:9000",
        "METRICS_PORT_9000_TCP": f"{protocol}://10.0.0.1:9000",
    }
    assert loaded(monkeypatch, tmp_path, **link).metrics_port is None
    (tmp_path / ".env").write_text("METRICS_PORT=9100")
    assert loaded(monkeypatch, tmp_path, **link).metrics_port == 9100


@pytest.mark.parametrize("in_file", [True, False])
def test_a_path_may_begin_with_the_home_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, in_file: bool
) -> None:
    paths = {"DATA_DIR": "~/hub", "TRUSTED_DOCUMENTS": "~root/manifest.json"}
    if in_file:
        lines = [f"{name}={value}\n" for name, value in paths.items()]
        (tmp_path / ".env").write_text("".join(lines))
    settings = loaded(monkeypatch, tmp_path, HOME="/home/ann", **({} if in_file else paths))
    assert settings.data_dir == Path("/home/ann/hub")
    assert settings.trusted_documents == Path("~root").expanduser() / "manifest.json"


ACCEPTED: list[tuple[str, str, object]] = [
    ("HSTS", "31536000", timedelta(days=365)),
    ("HSTS", "63072000", timedelta(days=730)),
    ("SESSION_LIFETIME", "18250 days", timedelta(days=50 * 365)),
    ("CODE_LIFETIME", "1576800000", timedelta(days=50 * 365)),
    ("SENDS_PER_ADDRESS", "100000/hour", (Rate(100_000, timedelta(hours=1)),)),
    ("SENDS_TOTAL", "100000/31536000s", (Rate(100_000, timedelta(days=365)),)),
    ("SMS_TIMEOUT", "1 day", timedelta(days=1)),
    ("TRUSTED_PROXIES", "10.0.0.0/8,::1", (ip_network("10.0.0.0/8"), ip_network("::1/128"))),
    ("TRUSTED_PROXIES", "::ffff:10.0.0.0/104", (ip_network("10.0.0.0/8"),)),
    ("HOST", "[::1]", "::1"),
    ("METRICS_HOST", "[::]", "::"),
]
REFUSED = [
    ("HSTS", "1576800001", "at most 50 years"),
    ("HSTS", "9" * 5000, "at most 50 years"),
    ("SESSION_LIFETIME", "999999999999 days", "at most 50 years"),
    ("RESEND_AFTER", "30,1576800001", "at most 50 years"),
    ("SMS_TIMEOUT", "86401", "at most a day"),
    ("SHUTDOWN_TIMEOUT", "2 days", "at most a day"),
    ("SHUTDOWN_DELAY", "2 days", "at most a day"),
    ("KEEP_ALIVE", "2 days", "at most a day"),
    ("SENDS_PER_ADDRESS", "100001/hour", "at most 100000 uses in a period, since the time of"),
    ("SENDS_TOTAL", f"{'9' * 12}/hour", "at most 100000 uses in a period"),
    ("GUESSES_PER_PHONE", "10/day;100/999999999999days", "periods of at most 50 years"),
    ("GUESSES_PER_PHONE", "0/day", "takes rates such as"),
    ("PORT", "65536", "65535"),
    ("WORKERS", "9" * 30, "64"),
    ("TRUSTED_PROXIES", "10.0.0.1/8", "10.0.0.1/8 is an address in one: write 10.0.0.0/8"),
    ("TRUSTED_PROXIES", "2001:db8::1/32", "write 2001:db8::/32"),
    ("TRUSTED_PROXIES", "10.0.0.0/33", "takes addresses and networks"),
    ("SMS_COUNTRIES", "UK,DE", "UK is not the ISO 3166 code of a country .*; write GB"),
    ("SMS_COUNTRIES", "DE,EL", "EL is not the ISO 3166 code of a country .*; write GR"),
    ("SMS_COUNTRIES", "DE,ZZ", "ZZ is not the ISO 3166 code"),
    ("SMS_COUNTRIES", "de", "ISO 3166 codes"),
    ("DATA_DIR", "~nobody-at-all/hub", "home folder of ~nobody-at-all is not known"),
    ("ISSUER", os.fsdecode(b"\xff"), "takes text in UTF-8"),
    ("TEST_PHONES", "+79161234567:4821:{day},+79161234567:1234:{day}", "each number once"),
    ("TRUSTED_DOCUMENTS", "/nowhere.json", "set the path of the manifest"),
    ("TRUSTED_DOCUMENTS", "/dev/null", "set the path of the manifest"),
]


@pytest.mark.parametrize(("name", "written", "read"), ACCEPTED)
def test_a_number_or_an_address_is_accepted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, written: str, read: object
) -> None:
    assert getattr(loaded(monkeypatch, tmp_path, **{name: written}), name.lower()) == read


@pytest.mark.parametrize(("name", "written", "message"), REFUSED)
def test_invalid_value_is_rejected_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, written: str, message: str
) -> None:
    written = written.format(day=datetime.now(UTC).date()) if "{" in written else written
    with pytest.raises(StartupError) as refused:
        create_app(loaded(monkeypatch, tmp_path, **{"DATA_DIR": str(tmp_path), name: written}))
    assert re.fullmatch(rf"{name}.*{message}.*\.", str(refused.value))


RENAMED = [  # with three different values
    ("STOP_DELAY", "SHUTDOWN_DELAY", ("1", "2", "3")),
    ("STOP_WITHIN", "SHUTDOWN_TIMEOUT", ("1", "2", "3")),
    ("UNKNOWN_INVITATIONS_PER_CLIENT", "UNKNOWN_INVITATIONS", ("7/day", "8/day", "9/hour;20/day")),
]


def test_every_renamed_setting_is_tested() -> None:
    assert {(old.lower(), new.lower()) for old, new, _ in RENAMED} == set(sources.RENAMED.items())


@pytest.mark.parametrize(("old", "new", "values"), RENAMED)
def test_old_name_of_a_setting_still_sets_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, old: str, new: str, values: tuple[str, ...]
) -> None:
    def read(**variables: str) -> object:
        return getattr(loaded(monkeypatch, tmp_path, **variables), new.lower())

    former, latter, in_file = values
    expected = [read(**{new: value}) for value in values]
    assert len(set(expected)) == 3
    assert read(**{old: former}) == expected[0]
    assert read(**{old: former, new: latter}) == expected[1]
    (tmp_path / ".env").write_text(f"{old}={in_file}\n")
    assert read() == read(**{old: " "}) == expected[2]
    assert read(**{new: latter}) == expected[1]


@pytest.mark.parametrize(("old", "new", "values"), RENAMED)
def test_start_prints_the_new_name_of_a_renamed_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, old: str, new: str, values: tuple[str, ...]
) -> None:
    line = f"{old} is now called {new}: rename it."
    loaded(monkeypatch, tmp_path, **{old: values[0]})
    assert renamed_settings() == [line]
    (tmp_path / ".env").write_text(f"{old}={values[0]}\n")
    loaded(monkeypatch, tmp_path)
    assert renamed_settings() == [line]
    (tmp_path / ".env").write_text(f"{old}=\n{new}={values[0]}\n")
    loaded(monkeypatch, tmp_path)
    assert renamed_settings() == []


def test_server_starts_with_old_names_and_prints_each_new_name_once(folder: Path) -> None:
    data_dir = folder / "renamed"
    former = {old: values[0] for old, _, values in RENAMED}
    with serving(data_dir, port=0, WORKERS="2", **former) as server:
        assert server.errors.read_text().splitlines()[: len(RENAMED)] == [
            f"{old} is now called {new}: rename it." for old, new, _ in RENAMED
        ]
        assert server.errors.read_text().count("rename it") == len(RENAMED)


def test_a_test_phone_of_a_country_that_is_not_served_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    phone = {"TEST_PHONES": f"+79161234567:4821:{datetime.now(UTC).date()}"}
    settings = loaded(monkeypatch, tmp_path, **phone, SMS_COUNTRIES="GB", DATA_DIR=str(tmp_path))
    with pytest.raises(StartupError, match=r"^TEST_PHONES: \+791…67 is a number of RU, which is"):
        create_app(settings)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"short", b""])
def test_invalid_secret_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "secret_key").write_bytes(content)
    with pytest.raises(StartupError, match=r"secret_key cannot be used .* set SECRET_KEY\.$"):
        create_app(loaded(monkeypatch, tmp_path, DATA_DIR=str(tmp_path)))
    assert (tmp_path / "secret_key").read_bytes() == content


@pytest.mark.parametrize(
    "host", ["a..b", "no.such.name.invalid", "192.0.2.1", "http://localhost", "localhost:80"]
)
@pytest.mark.parametrize("setting", ["HOST", "METRICS_HOST"])
def test_foreign_address_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str, setting: str
) -> None:
    settings = {"PORT": "0", "METRICS_PORT": "0", "SIMULATION_IS_PUBLIC": "true", setting: host}
    data_dir = tmp_path / "unused"
    url = {"DATABASE_URL": "postgresql://ann@127.0.0.1:1/hub", "SECRET_KEY": new_secret()}
    output = invoked(monkeypatch, tmp_path, "serve", DATA_DIR=str(data_dir), **url, **settings)
    assert re.fullmatch(r"Error: .*annot listen on .*\): choose another.*\.\n", output)


@pytest.mark.parametrize("command", ["schema", "secret"])
def test_full_disk_of_the_output_is_reported_in_one_line(command: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            processes.command(command),
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert re.fullmatch(rb"Error: .*No space left on device.*\.\n", done.stderr)


def test_terminal_without_our_characters_stops_nothing(folder: Path) -> None:
    phones = f"+79161234567:4821:{datetime.now(UTC).date()}"
    with serving(folder / "shell", TEST_PHONES=phones, PYTHONIOENCODING="latin-1") as server:
        assert r"+791\u2026" in server.printed


def loaded(monkeypatch: pytest.MonkeyPatch, folder: Path, **variables: str) -> Settings:
    """Read the settings as a command started in this folder does."""
    monkeypatch.chdir(folder)
    clean = environment()
    del clean["SMS_URLS"]
    monkeypatch.setattr(os, "environ", clean | variables)
    return load()


def invoked(monkeypatch: pytest.MonkeyPatch, folder: Path, command: str, **variables: str) -> str:
    """Run a command in this folder, which must fail; return its error as one line."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(os, "environ", environment(**variables))
    configured = structlog.get_config()
    result = CliRunner().invoke(main, command.split())
    structlog.configure(**configured)  # loggers in use keep the processors that other tests capture
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1
    assert len(result.output.splitlines()) == 1, result.output
    return str(result.output)
