"""The documented story, run as a newcomer would: in GraphiQL, and pasted into a shell."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from connect_hub.settings import Settings
from tests.support.documentation import ADDRESS, README, REPOSITORY, blocks

NAMES = [name.upper() for name in Settings.model_fields]
PATIENCE = 60  # seconds, with a server that starts


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


SIGN_IN = """
import { signIn } from "./sign-in.mjs";
let tries = 0;
const mistyped = (code) => String((Number(code) + 1) % 10_000).padStart(4, "0");
const askCode = async ({ smsCode }) => (tries++ ? smsCode : mistyped(smsCode));
const first = await signIn("+79991234567", askCode);
const again = await signIn("+79991234567", askCode);
const refused = await signIn("123", askCode).catch((refusal) => refusal);
console.log(JSON.stringify([first, again, refused]));
"""


def test_the_lines_for_a_page_register_and_sign_in(address: str, tmp_path: Path) -> None:
    (lines,) = [block for block in blocks("js") if "signIn" in block]
    (tmp_path / "sign-in.mjs").write_text(lines.replace(ADDRESS, address))
    (tmp_path / "main.mjs").write_text(SIGN_IN)
    done = subprocess.run(
        ["node", "main.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    first, again, refused = json.loads(done.stdout)
    assert first["accessToken"]
    assert again["client"] == first["client"]
    assert refused["__typename"] == "InvalidPhoneError"


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
