import re
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from connect_hub.database.config import serving_config
from connect_hub.database.url import ignores_channel_binding, parse_url
from connect_hub.settings import Settings, StartupError

SECRET = "hunter2"
CA = x509.BasicConstraints(ca=True, path_length=None)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://ann@db/hub", {"host": "db", "port": 5432, "user": "ann", "database": "hub"}),
        ("postgres://ann@db/hub", {"user": "ann"}),
        (" postgresql://ann@db/hub\n", {"database": "hub"}),
        ("postgresql://ann@db:6543/hub", {"port": 6543}),
        ("postgresql://ann@db", {"database": "ann"}),
        ("postgresql://ann@db/", {"database": "ann"}),
        ("postgresql://a%40b@db/a%2Fb%20c", {"user": "a@b", "database": "a/b c"}),
        ("postgresql://ann@db/a+b", {"database": "a+b"}),
        ("postgresql://ann@[2001:db8::1]:6543/hub", {"host": "2001:db8::1", "port": 6543}),
        ("postgresql://ann@[::1]/hub", {"host": "::1", "port": 5432}),
        ("postgresql://ann@%2Frun%2Fpg/hub", {"host": "/run/pg"}),
        ("postgresql://ann@/hub?host=/run/pg&port=6543", {"host": "/run/pg", "port": 6543}),
        ("postgresql:///?host=db&user=ann&dbname=hub", {"user": "ann", "database": "hub"}),
        ("postgresql://ann@db/hub?user=bob&host=", {"user": "bob", "host": "db"}),
        ("postgresql://ann@db/hub?connect_timeout=3", {"timeout": 3}),
        ("postgresql://ann@one,other/hub", {"host": ["one", "other"], "port": 5432}),
        ("postgresql://ann@one:6543,[::1]:6543/hub", {"host": ["one", "::1"], "port": 6543}),
        ("postgresql://ann@/hub?host=/a,/b&port=6543,6543", {"host": ["/a", "/b"], "port": 6543}),
        (
            "postgresql://ann@one,other/hub?target_session_attrs=read-write",
            {"target_session_attrs": "read-write"},
        ),
        ("postgresql://ann@db/hub", {"server_settings": {}}),
        (
            "postgresql://ann@db/hub?application_name=hub%201",
            {"server_settings": {"application_name": "hub 1"}},
        ),
        (
            "postgresql://ann@db/hub?options=-c%20jit=on%20--search_path=a,b\\%20c%20-cwork-mem=",
            {"server_settings": {"jit": "on", "search_path": "a,b c", "work_mem": ""}},
        ),
    ],
)
def test_url_means_the_same_as_to_libpq(url: str, expected: dict[str, object]) -> None:
    found = parse_url(url)

    assert {name: found[name] for name in expected} == expected


PROVIDERS = {
    "Neon": "postgresql://ann:x@ep-a-b.eu-central-1.aws.neon.tech/hub?sslmode=require"
    "&channel_binding=require",
    "Neon without SNI": "postgres://ann:x@ep-a.neon.tech/hub?sslmode=require"
    "&options=endpoint%3Dep-a",
    "Neon, both": "postgres://ann:x@ep-a.neon.tech/hub?sslmode=require"
    "&options=project%3Dep-a%20-c%20jit%3Doff",
    "Supabase": "postgresql://postgres.abc:x@aws-0-eu.pooler.supabase.com:6543/postgres"
    "?pgbouncer=true&connection_limit=1",
    "Vercel": "postgres://ann:x@db/hub?sslmode=require&supa=base-pooler.x&pgbouncer=true"
    "&workaround=supabase-pooler.vercel&connect_timeout=15",
    "Prisma": "postgresql://ann:x@db:5432/hub?schema=public&connection_limit=5&pool_timeout=2"
    "&socket_timeout=60&sslaccept=accept_invalid_certs&statement_cache_size=0",
    "Heroku": "postgres://ann:x@ec2-1-2-3-4.compute-1.amazonaws.com:5432/hub",
    "Render": "postgresql://ann:x@dpg-abc-a.frankfurt-postgres.render.com/hub",
    "DigitalOcean": "postgresql://ann:x@db:25060/hub?sslmode=require",
    "Fly": "postgres://ann:x@hub-db.flycast:5432/hub?sslmode=disable",
    "Google": "postgresql://ann:x@/hub?host=/cloudsql/project:region:instance",
    "SQLAlchemy": "postgresql+asyncpg://ann:x@db/hub?ssl=require&prepared_statement_cache_size=0",
    "SQLAlchemy, psycopg": "postgresql+psycopg2://ann:x@db/hub?sslmode=require",
    "libpq": "postgresql://ann:x@db/hub?keepalives=1&keepalives_idle=30&keepalives_interval=10"
    "&keepalives_count=3&tcp_user_timeout=5000&gssencmode=disable&sslcompression=0&sslsni=1"
    "&client_encoding=utf8&fallback_application_name=x",
}


@pytest.mark.parametrize("url", PROVIDERS.values(), ids=PROVIDERS)
def test_urls_of_providers_are_accepted_unchanged(url: str) -> None:
    found = serving_config(_settings(url)).connection

    assert found["user"] in {"ann", "postgres.abc"}
    assert found["password"]() == "x"
    assert (found.get("ssl") == "require") is ("=require" in url)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("connection_limit=5", {"pool_size": 5}),
        ("", {"pool_size": 10}),
        ("ssl=true", {"ssl": "require"}),
        ("ssl=verify-full", {"ssl": "verify-full"}),
        ("ssl=0", {"ssl": "disable"}),
        ("ssl=true&sslmode=verify-ca", {"ssl": "verify-ca"}),
    ],
)
def test_parameters_for_other_clients_mean_the_same_here(
    query: str, expected: dict[str, object]
) -> None:
    config = serving_config(_settings(f"postgresql://ann@db/hub?{query}"))

    found = config.connection | {"pool_size": config.pool_size}
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("url", "unbound"),
    [
        (PROVIDERS["Neon"], True),
        ("postgresql://ann@db/hub?sslmode=verify-full&channel_binding=require", False),
        ("postgresql://ann@db/hub?channel_binding=prefer", False),
        ("postgresql://ann:channel_binding=require@db/hub", False),
    ],
)
def test_required_channel_binding_is_detected(url: str, *, unbound: bool) -> None:
    assert ignores_channel_binding(url) is unbound


async def test_schema_of_the_url_is_the_schema_of_the_session(postgres: str) -> None:
    connection = await asyncpg.connect(**parse_url(f'{postgres}&schema=my"%20schema'))

    assert await connection.fetchval("SHOW search_path") == '"my"" schema"'
    await connection.close()


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("postgresql://ann:hunter2@db/hub", "hunter2"),
        ("postgresql://ann:h%40%3A%2F%3F%23%25%C3%A4@db/hub", "h@:/?#%ä"),
        ("postgresql://ann:a:b@db/hub", "a:b"),
        ("postgresql://ann@db/hub?password=hunter2", "hunter2"),
        ("postgresql://ann:other@db/hub?password=hunter2", "hunter2"),
    ],
)
def test_password_is_used_and_not_shown(url: str, password: str) -> None:
    found = parse_url(url)

    assert found["password"]() == password
    assert password not in repr(found)


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-full"])
def test_sslmode_is_passed_to_asyncpg(mode: str) -> None:
    assert parse_url(f"postgresql://ann@db/hub?sslmode={mode}")["ssl"] == mode


@pytest.mark.parametrize(
    ("mode", "checks_the_name"), [("require", False), ("verify-ca", False), ("verify-full", True)]
)
def test_given_root_certificates_are_used_for_verification(
    mode: str, *, checks_the_name: bool, certificates: Path
) -> None:
    url = f"postgresql://ann@db/hub?sslmode={mode}&sslrootcert={certificates}"

    context = parse_url(url)["ssl"]

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname is checks_the_name
    assert len(context.get_ca_certs()) == 1


def test_root_certificates_of_the_system_are_used_for_verification() -> None:
    context = parse_url("postgresql://ann@db?sslmode=verify-full&sslrootcert=system")["ssl"]

    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "takes postgresql://"),
        ("hunter2", "takes postgresql://"),
        ("mysql://ann:hunter2@db/hub", "takes postgresql://"),
        ("postgresql+://ann:hunter2@db/hub", "takes postgresql://"),
        ("jdbc:postgresql://ann:hunter2@db/hub", "takes postgresql://"),
        ("host=db user=ann password=hunter2", "takes postgresql://"),
        ("postgresql://ann:x@hunter2@db/hub", "@ is %40"),
        ("postgresql://ann:hunter2/x@db/hub", "@ is %40"),
        ("postgresql://ann:1/hunter2@db/hub", "@ is %40"),
        ("postgresql://ann:1?hunter2@db/hub", "@ is %40"),
        ("postgresql://ann:1?hunter2=@db/hub", "@ is %40"),
        ("postgresql://ann:hunter2#x@db/hub", "@ is %40"),
        ("postgresql://ann:hunter2%@db/hub", "percent-encoded"),
        ("postgresql://ann:hunter2%zz@db/hub", "percent-encoded"),
        ("postgresql://ann:hunter2%00@db/hub", "percent-encoded"),
        ("postgresql://ann:hunter2%ff@db/hub", "percent-encoded"),
        ("postgresql://ann@db/hub?password=x&hunter2", "percent-encoded"),
        ("postgresql://ann@db/hub?password=x&hunter=2", "percent-encoded"),
        ("postgresql://ann:hunter2@[::1/hub", "takes postgresql://"),
        ("postgresql://ann:hunter2@::1/hub", "names no host"),
        ("postgresql:///hub", "names no host"),
        ("postgresql://ann:hunter2@/hub", "names no host"),
        ("postgresql://db/hub", "names no user"),
        ("postgresql://:hunter2@db/hub", "names no user"),
        ("postgresql://ann:hunter2@db1,,db2/hub", "names no host"),
        ("postgresql://ann:hunter2@db1:5432,db2:5433/hub", "the same port"),
        ("postgresql://ann:hunter2@db/hub?target_session_attrs=x", "as target_session_attrs"),
        ("postgresql://ann:hunter2@db:0/hub", "1 to 65535 as port"),
        ("postgresql://ann:hunter2@db:65536/hub", "1 to 65535 as port"),
        ("postgresql://ann:hunter2@db:x/hub", "1 to 65535 as port"),
        ("postgresql://ann:hunter2@db:٣/hub", "1 to 65535 as port"),
        ("postgresql://ann:hunter2@db/hub?connect_timeout=0", "1 to 3600 as connect_timeout"),
        ("postgresql://ann:hunter2@db/hub?connect_timeout=1.5", "1 to 3600 as connect_timeout"),
        ("postgresql://ann:hunter2@db/hub?sslmode=hunter2", "verify-full as sslmode"),
        ("postgresql://ann:hunter2@db/hub?sslrootcert=/ca.pem", "add sslmode=verify-full"),
        (
            "postgresql://ann:hunter2@db/hub?sslmode=prefer&sslrootcert=/ca.pem",
            "add sslmode=verify-full",
        ),
        (
            "postgresql://ann:hunter2@db/hub?sslmode=verify-ca&sslrootcert=system",
            "add sslmode=verify-full",
        ),
        (
            "postgresql://ann:hunter2@db/hub?sslmode=verify-ca&sslrootcert=/no/hunter2",
            "as sslrootcert",
        ),
        ("postgresql://ann:hunter2@db/hub?options=-x%20hunter2", "-c name=value"),
        ("postgresql://ann:hunter2@db/hub?options=-c%20jit", "-c name=value"),
        (
            "postgresql://ann:hunter2@db/hub?sslcert=hunter2&pgbouncer=true&require_auth=none",
            "not supported, sslcert, require_auth: it takes",
        ),
        ("postgresql://ann:hunter2@db/hub?ssl=hunter2", "verify-full as sslmode"),
        ("postgresql://ann:hunter2@db/hub?sslaccept=strict", "sslmode=verify-full encrypts"),
        ("postgresql://ann:hunter2@db/hub?gssencmode=require", "disable or prefer as gssencmode"),
        ("postgresql://ann:hunter2@db/hub?channel_binding=hunter2", "as channel_binding"),
        ("postgresql://ann:hunter2@db/hub?client_encoding=LATIN1", "as client_encoding"),
        ("postgresql://ann:hunter2@db/hub?options=hunter2%3Dx", "-c name=value"),
        ("postgresql://ann:hunter2@db/hub?connection_limit=0", "1 to 1000 as connection_limit"),
    ],
)
def test_wrong_url_is_rejected_in_a_sentence_without_the_password(url: str, said: str) -> None:
    with pytest.raises(StartupError) as refusal:
        serving_config(_settings(url))

    message = str(refusal.value)
    assert message.startswith("DATABASE_URL ")
    assert message.endswith(".")
    assert said in message
    assert "hunter" not in message
    assert "hunter" not in repr((refusal.value.__cause__, refusal.value.__context__))


def test_configuration_limits_every_wait_and_hides_the_password() -> None:
    config = serving_config(_settings("postgresql://ann:hunter2@db/hub"))

    found = config.connection
    assert found["timeout"] == 10
    assert found["server_settings"] == {
        "application_name": "connect-hub",
        "timezone": "UTC",
        "jit": "off",
        "plan_cache_mode": "force_generic_plan",
        "statement_timeout": "10000",
        "lock_timeout": "5000",
        "idle_in_transaction_session_timeout": "30000",
        "default_transaction_isolation": "read committed",
        "idle_session_timeout": "0",
        "standard_conforming_strings": "on",
    }
    assert SECRET not in repr(config)


def test_documentation_names_what_pgbouncer_must_ignore() -> None:
    deployment = (Path(__file__).parents[2] / "docs/deployment.md").read_text()
    documented = re.search(r"`ignore_startup_parameters = (\S+)`", deployment)
    settings = serving_config(_settings("postgresql://ann@db/hub")).connection["server_settings"]
    accepted = {"application_name", "standard_conforming_strings"}  # by PgBouncer itself
    assert documented
    assert set(documented[1].split(",")) == settings.keys() - accepted


def test_limits_in_the_url_override_ours() -> None:
    url = "postgresql://ann@db/hub?application_name=x&connect_timeout=3&options=-c%20jit=on"

    found = serving_config(_settings(url)).connection

    assert found["timeout"] == 3
    assert found["server_settings"]["application_name"] == "x"
    assert found["server_settings"]["jit"] == "on"
    assert found["server_settings"]["lock_timeout"] == "5000"


def test_embedded_database_is_used_without_a_url(tmp_path: Path) -> None:
    config = serving_config(Settings(_env_file=None, database_url=None, data_dir=tmp_path))

    found = config.connection
    assert found["host"] == str(tmp_path / "socket")
    assert (found["user"], found["database"]) == ("connect_hub", "postgres")


async def test_postgresql_accepts_the_parsed_parameters(postgres: str) -> None:
    url = f"{postgres}&application_name=hub%201&options=-c%20search_path=a\\%20,b"

    connection = await asyncpg.connect(**parse_url(url))

    assert await connection.fetchval("SHOW application_name") == "hub 1"
    assert await connection.fetchval("SHOW search_path") == "a ,b"
    await connection.close()


async def test_host_that_accepts_writes_is_used_among_several(postgres: str) -> None:
    url = postgres.replace("host=", "host=/nowhere,") + "&target_session_attrs=read-write"
    connection = await asyncpg.connect(**parse_url(url))
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()
    closed = "&target_session_attrs=read-write&options=-c%20default_transaction_read_only=on"
    with pytest.raises(asyncpg.TargetServerAttributeNotMatched):
        await asyncpg.connect(**parse_url(postgres + closed))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "our own")])
    certificate = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=datetime.now(UTC),
        not_valid_after=datetime.now(UTC) + timedelta(days=1),
        extensions=[x509.Extension(CA.oid, critical=True, value=CA)],
    ).sign(key, None)
    file = tmp_path_factory.mktemp("tls") / "root.pem"
    file.write_bytes(certificate.public_bytes(Encoding.PEM))
    return file


def _settings(url: str) -> Settings:
    return Settings(_env_file=None, database_url=url, secret_key="x", sms_urls=("simulated://",))
