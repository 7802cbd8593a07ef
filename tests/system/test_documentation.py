import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click
import httpx
import pytest
from dotenv import dotenv_values
from graphql import GraphQLEnumType, GraphQLInterfaceType, build_schema, parse, validate
from prometheus_client.metrics import MetricWrapperBase

from connect_hub.api.schema import schema
from connect_hub.api.transport import messages
from connect_hub.api.transport.messages import Close
from connect_hub.cli.main import main
from connect_hub.observability import metrics
from connect_hub.security.networks import SHARES
from connect_hub.settings import DOCUMENTED_NUMBERS, Settings
from connect_hub.sms.gateway import Gateway
from tests.faults.faults import FAULTS
from tests.support.documentation import (
    PAGES,
    REPOSITORY,
    TEXT,
    blocks,
    table,
)

TEMPLATE = (REPOSITORY / ".env.template").read_text()
SCHEMA = (REPOSITORY / "schema.graphql").read_text()

FIELDS = Settings.model_fields
NAMES = [name.upper() for name in FIELDS]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper() in NAMES:
            monkeypatch.delenv(name)


def test_the_schema_in_the_repository_is_the_one_printed() -> None:
    assert schema.as_str() + "\n" == SCHEMA, "run: connect-hub schema > schema.graphql"


def test_the_documentation_has_every_operation() -> None:
    built = build_schema(SCHEMA)
    roots = (built.query_type, built.mutation_type, built.subscription_type)
    names = {name for root in roots if root for name in root.fields}
    assert {name.partition("(")[0] for name in table("operation")} == names


def test_the_documentation_has_every_refusal() -> None:
    built = build_schema(SCHEMA)
    refusals = built.get_implementations(cast("GraphQLInterfaceType", built.type_map["UserError"]))
    assert set(table("refusal")) == {refusal.name for refusal in refusals.objects}


def test_the_documentation_s_operations_fit_the_schema() -> None:
    operations = blocks("graphql") + re.findall(r"^[A-Z_]+='(.*\{.*)'$", TEXT, re.MULTILINE)
    assert len(operations) == 14
    for operation in operations:
        assert not validate(build_schema(SCHEMA), parse(operation)), operation


def test_the_documentation_has_every_setting_and_its_default(tmp_path: Path) -> None:
    settings = table("setting")
    assert list(settings) == NAMES
    said = tmp_path / ".env"
    for name, (default, _) in settings.items():
        if written := re.fullmatch("`(.*)`", default):
            said.write_text(f"{name}={written[1]}")
            assert Settings(_env_file=said) == Settings(_env_file=None), name
        else:
            field = FIELDS[name.lower()]
            assert field.default_factory or not field.default, f"{name} has a default to tell"


def test_the_documentation_names_only_settings_that_exist() -> None:
    """Other names in capitals belong to docker compose, the build, libraries or the code."""
    named = {
        word
        for page in PAGES
        if page.name != "changelog.md"  # which keeps former names
        for word in re.findall(r"`([A-Z]+(?:_[A-Z]+)+)\b", page.read_text())
    }
    limits = cast("GraphQLEnumType", build_schema(SCHEMA).type_map["RequestLimit"])
    assert named - {*NAMES, *table("code"), *limits.values} == {
        "APP_PASSWORD",
        "CLIENT_COLUMNS",
        "CONNECT_HUB_WEB",
        "DEMO_PASSWORD",
        "ERASED_COLUMNS",
        "FUZZ_EXAMPLES",
        "HTTPS_PROXY",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_TRACES_SAMPLER",
        "POSTGRES_PASSWORD",
        "SSL_CERT_FILE",
    }


def test_the_settings_to_know_are_settings() -> None:
    assert set(table("setting to know")) <= set(NAMES)


def test_the_template_has_every_setting_and_its_default(tmp_path: Path) -> None:
    said = tmp_path / ".env"
    said.write_text(re.sub(r"^#(?=[A-Z])", "", TEMPLATE, flags=re.MULTILINE))
    assert list(dotenv_values(said)) == NAMES
    assert Settings(_env_file=said) == Settings(_env_file=None)


def test_unchanged_template_sets_nothing() -> None:
    assert all(line.startswith("#") for line in TEMPLATE.splitlines() if line)


def test_the_documentation_has_every_error_code() -> None:
    source = "".join(file.read_text() for file in (REPOSITORY / "src/connect_hub").rglob("*.py"))
    codes = re.findall(r'\bcode"?(?:: str)? ?[=:] ?"([A-Z_]+)"', source)
    assert set(table("code")) == set(codes)


def test_the_documentation_has_every_metric_and_its_labels() -> None:
    counted = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    for metric in counted:
        if names := metric._labelnames:  # noqa: SLF001 (there is no other way to ask)
            metric.labels(*names)
    with metrics.serve_metrics(Settings(_env_file=None, metrics_port=0)) as port:
        shown = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    samples = re.findall(r"^(\w+?)(?:_bucket|_count|_sum)?(?:\{(.*)\})? ", shown, re.MULTILINE)
    labels: dict[str, set[str]] = {}
    for name, said in samples:
        labels.setdefault(name, set()).update({*re.findall(r'(\w+)="', said)} - {"le"})
    told = {name: said.replace("none", "") for name, (said, *_) in table("metric").items()}
    assert {name: set(re.findall(r"\w+", said)) for name, said in told.items()} == labels


def test_the_documentation_has_every_command() -> None:
    def names(group: click.Group, above: str) -> Iterator[str]:
        for name, command in group.commands.items():
            if isinstance(command, click.Group):
                yield from names(command, f"{above} {name}")
            else:
                yield f"{above} {name}"

    told = {re.sub(" [A-Z]+$", "", name) for name in table("command")}
    assert told == set(names(main, "connect-hub"))


def test_the_documentation_has_every_line_about_webhooks() -> None:
    source = "".join(
        file.read_text() for file in (REPOSITORY / "src/connect_hub/webhooks").rglob("*.py")
    )
    lines = re.findall(r'log\.\w+\(\s*"([^"]+)"', source)
    assert set(table("webhook line")) == {*lines, "undelivered events dropped"}


def test_the_documentation_has_every_line_about_a_client() -> None:
    source = "".join(file.read_text() for file in (REPOSITORY / "src/connect_hub").rglob("*.py"))
    lines = re.findall(r'log\.\w+\(\s*"([^"]+)",\s*client=', source)
    assert set(table("line")) == set(lines)


def test_documented_gateways_are_valid_for_apprise() -> None:
    real = {  # if apprise checks the form of such a value
        "ACCOUNT_SID": "AC" + "a" * 32,
        "AUTH_TOKEN": "b" * 32,
        "API_KEY": "a" * 8,
        "API_SECRET": "b" * 16,
        "ACCESS_KEY_ID": "A" * 20,
        "ACCESS_KEY_SECRET": "b" * 40,
        "REGION": "eu-central-1",
        "FROM": "15005550006",
    }
    urls = table("URL")
    assert len(urls) == 5
    for url in urls:
        written = re.sub(r"\b[A-Z_]+\b", lambda name: real.get(name[0], name[0]), url)
        Gateway(written, position=1)


def test_documented_numbers_are_not_accepted_as_test_phones() -> None:
    assert set(re.findall(r"\+[1-9]\d{6,14}\b", TEXT + TEMPLATE + SCHEMA)) == DOCUMENTED_NUMBERS


def test_the_documentation_has_the_networks_that_limits_count() -> None:
    rows = re.findall(r"^\| IPv6 /(\d+) \| (\w+)[ times]* \| (\w+)", TEXT, re.MULTILINE)
    told = {int(bits): 1 if share == "once" else int(share) for bits, share, _ in rows}
    assert told == SHARES
    assert all(share == same for _, share, same in rows)


def test_the_chances_to_guess_a_code_are_computed_from_the_guesses() -> None:
    rows = re.findall(r"^\| [\w ]+ \| (\d+)[^|]* \| ([\d.]+) % \|$", TEXT, re.MULTILINE)
    assert len(rows) == 4
    for guesses, chance in rows:
        _, _, decimals = chance.partition(".")
        assert f"{100 * (1 - 0.9999 ** int(guesses)):.{len(decimals)}f}" == chance


def test_the_documentation_has_every_fault() -> None:
    assert set(re.findall(r"[\w-]+", " ".join(table("fault")))) == set(FAULTS)


def test_the_documentation_has_every_audit() -> None:
    script = (REPOSITORY / "tests/audit/run").read_text()
    (audits,) = re.findall(r"^audits=\((.*)\)$", script, re.MULTILINE)
    assert list(table("audit")) == audits.split()


def test_the_changelog_has_the_version_of_the_package() -> None:
    changelog = (REPOSITORY / "docs/changelog.md").read_text()
    latest, *_ = re.findall(r"^## (\d\S+) - \d{4}-\d{2}-\d{2}$", changelog, re.MULTILINE)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["version"] == latest


def test_the_documentation_has_every_close_code() -> None:
    closes = [value for value in vars(messages).values() if isinstance(value, Close)]
    beside = {"1009", "1012"}  # of WebSocket itself
    assert set(table("close code")) == {str(close.code) for close in closes} | beside


def test_the_documentation_has_every_folder() -> None:
    _, _, layout = TEXT.partition("## Layout")
    layout, _, _ = layout.partition("\n    web/")
    files = (REPOSITORY / "src/connect_hub").rglob("__init__.py")
    assert sorted(re.findall(r"^ +(\w+)/ ", layout, re.MULTILINE)) == sorted(
        file.parent.name for file in files if file.parent.name != "connect_hub"
    )
