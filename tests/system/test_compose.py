"""docker-compose.yml and the Dockerfile, as far as they can be tried without a container engine."""

import asyncio
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
import yaml

from connect_hub.database import embedded
from connect_hub.security.keys import new_secret
from tests.support.documentation import REPOSITORY
from tests.support.processes import run

COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
SERVERS = ["app-1", "app-2", "app-3"]
ENV = {  # as the documented line writes it to .env
    "SECRET_KEY": new_secret(),
    "POSTGRES_PASSWORD": "the owner's: @/%",
    "APP_PASSWORD": "0123456789abcdef",
    "SMS_URLS": "simulated://",
}


def interpolated(text: str, **env: str) -> str:
    """Fill in variables as compose does: ${NAME}, ${NAME:-default} and ${NAME:?message}."""

    def value(found: re.Match[str]) -> str:
        name, rule, rest = found[1], found[2], found[3]
        if env.get(name):
            return env[name]
        assert rule == ":-", f"{name}: {rest}"
        return rest or ""

    return re.sub(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}", value, text)


def settings_of(service: str, **env: str) -> dict[str, str]:
    """Return the environment of a service's container: `.env`, then `environment`."""
    given = SERVICES[service]["environment"]
    return env | {name: interpolated(str(value), **env) for name, value in given.items()}


def test_ports_are_published_only_to_this_machine_by_default() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert {interpolated(port) for port in published} == {
        "127.0.0.1:80:80",
        "127.0.0.1:443:443",
        "127.0.0.1:443:443/udp",
    }
    everywhere = {interpolated(port, PUBLISH="0.0.0.0") for port in published}  # noqa: S104 (compared)
    assert all(port.startswith("0.0.0.0:") for port in everywhere)
    assert "network_mode" not in str(COMPOSE)


@pytest.mark.parametrize("service", SERVERS)
def test_a_server_knows_its_own_password_only(service: str) -> None:
    settings = settings_of(service, **ENV)
    assert ENV["POSTGRES_PASSWORD"] not in str(settings)
    assert "MIGRATION_DATABASE_URL" not in settings
    assert settings["DATABASE_URL"].startswith(
        f"postgresql://connect_hub_app:{ENV['APP_PASSWORD']}@"
    )
    assert SERVICES["database"]["environment"]["POSTGRES_USER"] == "connect_hub"


def test_each_variable_that_is_missing_is_named() -> None:
    for name in ENV:
        with pytest.raises(AssertionError, match=f"^{name}: {name} takes"):
            settings_of("migrate", **{other: ENV[other] for other in ENV if other != name})


def test_compose_migrates_a_database_of_a_former_version_and_serves_as_the_new_role(
    folder: Path,
) -> None:
    with embedded.running(folder / "compose"):
        asyncio.run(_as_the_image_makes_it(folder / "compose"))
        migrated, doctor = settings_of("migrate", **ENV), settings_of("app-1", **ENV)
        for settings in (migrated, doctor):
            for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL"):
                if name in settings:
                    host = quote(str(embedded.socket_folder(folder / "compose")), safe="")
                    settings[name] = settings[name].replace("@database/", "@/") + f"?host={host}"
        own = {  # as documented before: one role for both
            "DATABASE_URL": migrated["MIGRATION_DATABASE_URL"],
            "PGPASSWORD": ENV["POSTGRES_PASSWORD"],
            "SECRET_KEY": ENV["SECRET_KEY"],
        }
        former = run("migrate", **own)
        assert former.returncode == 0, former
        assert run("migrate", **migrated).stdout == "The database is up to date.\n"
        examined = run("doctor", **doctor)
    assert examined.returncode == 0, examined
    found = dict(re.findall(r"^(\w+) +(\S+) ", examined.stdout, re.MULTILINE))
    assert found.pop("sms") == "warning"  # inside, a simulation is allowed
    assert set(found.values()) == {"ok"}, examined.stdout


async def _as_the_image_makes_it(data_dir: Path) -> None:
    """Create what the image of PostgreSQL creates for POSTGRES_USER, and require passwords."""
    host = str(embedded.socket_folder(data_dir))
    connection = await asyncpg.connect(host=host, user="postgres", database="postgres")
    password = ENV["POSTGRES_PASSWORD"].replace("'", "''")
    await connection.execute(f"CREATE ROLE connect_hub SUPERUSER LOGIN PASSWORD '{password}'")
    await connection.execute("CREATE DATABASE connect_hub OWNER connect_hub")
    (data_dir / "postgres" / "pg_hba.conf").write_text("local all all scram-sha-256\n")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()
