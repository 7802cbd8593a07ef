import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

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
from connect_hub.settings import EXAMPLES, Settings
from connect_hub.sms.gateway import Gateway
from tests.faults.faults import FAULTS
from tests.support.documentation import (
    ADDRESS,
    PAGES,
    README,
    REPOSITORY,
    TEXT,
    anchors,
    blocks,
    links,
    table,
)

TEMPLATE = (REPOSITORY / ".env.template").read_text()
SCHEMA = (REPOSITORY / "schema.graphql").read_text()
PATIENCE = 60  # seconds, with a server that starts

FIELDS = Settings.model_fields
NAMES = [name.upper() for name in FIELDS]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper() in NAMES:
            monkeypatch.delenv(name)


@pytest.fixture
def address() -> Iterator[str]:
    """Serve as a newcomer would, on a fresh database; only the SMS take no time."""
    with TemporaryDirectory(prefix="ch-") as folder:
        said = Path(folder) / "said"
        with (
            said.open("wb") as output,
            subprocess.Popen(
                [sys.executable, "-m", "connect_hub", "serve", "--port", "0"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=os.environ | {"DATA_DIR": folder, "SMS_URLS": "simulated://?delay=0"},
            ) as process,
        ):
            try:
                yield where(said, process)
            finally:
                process.terminate()


def where(said: Path, process: "subprocess.Popen[bytes]") -> str:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        if "Stop with Ctrl-C" in said.read_text():
            found = re.search(r"http://127\.0\.0\.1:\d+", said.read_text())
            assert found
            return found[0]
        time.sleep(0.05)
    raise AssertionError(said.read_text())


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
    """Other names in capitals belong to docker compose, to the build, or to libraries."""
    named = {
        word
        for page in PAGES
        if page.name != "changelog.md"  # which keeps former names
        for word in re.findall(r"`([A-Z]+(?:_[A-Z]+)+)\b", page.read_text())
    }
    limits = cast("GraphQLEnumType", build_schema(SCHEMA).type_map["RequestLimit"])
    assert named - {*NAMES, *table("code"), *limits.values} == {
        "APP_PASSWORD",
        "CONNECT_HUB_WEB",
        "DEMO_PASSWORD",
        "FUZZ_EXAMPLES",
        "HTTPS_PROXY",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_TRACES_SAMPLER",
        "POSTGRES_PASSWORD",
    }


def test_the_template_has_every_setting_and_its_default(tmp_path: Path) -> None:
    said = tmp_path / ".env"
    said.write_text(re.sub(r"^#(?=[A-Z])", "", TEMPLATE, flags=re.MULTILINE))
    assert list(dotenv_values(said)) == NAMES
    assert Settings(_env_file=said) == Settings(_env_file=None)


def test_the_template_changes_nothing_as_it_is() -> None:
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


def test_the_documentation_has_every_line_about_a_client() -> None:
    source = "".join(file.read_text() for file in (REPOSITORY / "src/connect_hub").rglob("*.py"))
    lines = re.findall(r'log\.\w+\(\s*"([^"]+)",\s*client=', source)
    assert set(table("line")) == set(lines)


def test_the_documentation_s_gateways_are_such_as_apprise_takes() -> None:
    real = {  # where apprise knows how such a value looks
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


def test_the_documentation_s_numbers_are_no_test_phones() -> None:
    assert set(re.findall(r"\+[1-9]\d{6,14}\b", TEXT + TEMPLATE + SCHEMA)) == EXAMPLES


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


def test_the_readme_is_short_and_leads_to_every_page() -> None:
    assert len(README.read_text().splitlines()) <= 200
    led = {target.partition("#")[0] for _, target in links(README)}
    assert led >= {str(page.relative_to(REPOSITORY)) for page in PAGES if page != README}


def test_links_of_the_readme_name_the_page_to_which_they_lead() -> None:
    """A package index shows the README without the pages beside it."""
    for text, target in links(README):
        assert text == target.partition("#")[0]


def test_the_readme_repeats_what_the_pages_say() -> None:
    readme, pages = README.read_text(), "".join(page.read_text() for page in PAGES[1:])
    assert set(table("setting to know")) <= set(NAMES)
    speed = re.findall(r"^\| .* \| [\d.]+ \| \d+ \| \d+ \|$", readme, re.MULTILINE)
    (compose,) = re.findall(r"^```sh\n(touch .*?)^```$", readme, re.DOTALL | re.MULTILINE)
    assert len(speed) == 5
    for text in (*speed, compose):
        assert text in pages


def test_files_that_the_documentation_names_exist() -> None:
    named = re.findall(r"`([\w./-]+\.(?:py|mjs|ts|yml|toml|txt|graphql|template))`", TEXT)
    folders = [REPOSITORY, REPOSITORY / "src/connect_hub", REPOSITORY / "tests/audit"]
    assert named
    for name in named:
        assert any((folder / name).exists() for folder in folders), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_into_the_repository_resolve(page: Path) -> None:
    for text, target in links(page):
        path, _, anchor = target.partition("#")
        led = (page.parent / path).resolve() if path else page
        assert led.exists(), f"[{text}]({target})"
        assert not anchor or anchor in anchors(led), f"[{text}]({target})"


def test_the_story_of_the_readme_runs_in_graphiql(address: str) -> None:
    request_code, register, me, apply_invite, login = blocks("graphql", README.read_text())
    ann, ben = "+79991234567", "+79991234568"

    def send(query: str, token: str | None = None, **words: str) -> Any:
        for word, value in words.items():
            assert word in query
            query = query.replace(word, value)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = httpx.post(
            f"{address}/graphql", json={"query": query}, headers=headers, trust_env=False
        )
        (data,) = answer.json()["data"].values()
        assert "message" not in data
        return data

    def code(phone: str) -> str:
        answer: str = send(request_code.replace(ann, phone))["smsCode"]
        return answer

    anns = send(register, **{"0000": code(ann)})
    bens = send(register.replace(ann, ben), **{"0000": code(ben)})
    assert send(me, anns["accessToken"])["invitedClients"]["totalCount"] == 0
    send(apply_invite, bens["accessToken"], XXXXXX=anns["client"]["invitationCode"])
    again = send(login, **{"0000": code(ann)})
    (invited,) = send(me, again["accessToken"])["invitedClients"]["nodes"]
    assert invited["phone"] == ben


@pytest.mark.parametrize("path", ["{machine}:{ours}", "{ours}:{machine}"], ids=["curl", "ours"])
def test_the_story_runs_when_pasted(address: str, path: str, tmp_path: Path) -> None:
    """With the machine's curl if it has one, and with ours."""
    script = "\n".join(blocks("bash")).replace(ADDRESS, address)
    assert script.count(address) == 1
    ours = tmp_path / "curl"
    ours.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" "{REPOSITORY}/tests/support/curl.py" "$@"\n'
    )
    ours.chmod(0o755)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PATH": path.format(machine=os.environ["PATH"], ours=tmp_path)},
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert not [answer for answer in answers if "errors" in answer or "message" in str(answer)]
    ann = [answer["data"]["me"] for answer in answers if "me" in answer["data"]]
    assert [len(me["invitedClients"]["nodes"]) for me in ann] == [0, 1, 1]
    assert ann[-1]["phone"] == "+79991234567"
    assert ann[-1]["invitedClients"]["nodes"][0]["phone"] == "+79991234568"
    (applied,) = (a["data"]["applyInvite"] for a in answers if "applyInvite" in a["data"])
    assert applied["client"]["someoneInvitationCode"] == ann[-1]["invitationCode"]
    assert answers[-2]["data"]["login"]["accessToken"]
