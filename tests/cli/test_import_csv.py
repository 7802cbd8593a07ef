"""Clients of other systems, imported from a CSV file while a server runs."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import Server, run, serving

LINES = """phone,invitation_code,inviter
+79990000001,AAAAA2,
+79990000002,aaaaa3,AAAAA2
+79990000003,,+7 999 000-00-05
nonsense,AAAAA4,
+79990000004,AAAAA2,
+79990000005,AAAAA5,+79990000002
+79990000006,AAAA,
+79990000007,AAAAA7,ZZZZZZ
+79990000008,AAAAA8,AAAAA8
"""
LEFT_OUT = """line 5: clients left out, since its phone is not a mobile number
line 6: clients left out, since its invitation code is taken
line 8: clients left out, since its invitation code is not 6 letters and digits
line 9: invitations left out, since nobody has the phone or code of its inviter
line 10: invitations left out, since its inviter would close a ring
"""


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with serving(folder / "import") as server:
        yield server


def told(server: Server, *arguments: str, ends: int = 0) -> str:
    done = run("import", *arguments, DATA_DIR=str(server.data_dir))
    assert done.returncode == ends, done
    return done.stdout + done.stderr


def test_a_file_is_imported_once_however_often(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "clients.csv"
    file.write_text(LINES)
    added = "clients added: 6\nclients left out: 3\ninvitations added: 3\n"
    for arguments in (("--dry-run",), ("--dry-run",), ()):
        said = told(server, str(file), *arguments)
        assert said.startswith(LEFT_OUT)
        assert sorted(said.removeprefix(LEFT_OUT).splitlines()) == sorted(
            [*added.splitlines(), "invitations left out: 2"]
        )
    again = told(server, str(file))
    assert "clients here already: 6" in again
    assert "invitations here already: 3" in again
    assert "clients added" not in again


MISTAKES = """phone,invitation_code,inviter
+79990000011,BBBBB1,BBBBB2
+79990000012,BBBBB2,BBBBB3
+79990000013,BBBBB3,BBBBB1
+79990000011,BBBBB4,
+79990000014,BBBBB9,
+79990000015,,BBBBB9

+79990000016,BBBBB6,BBBBB1,more
+79990000017
"""
REPORTED = """line 4: invitations left out, since its inviter would close a ring
line 5: clients left out, since its phone is in an earlier line
line 6: clients left out, since its invitation code is taken
line 7: invitations left out, since its inviter is left out
line 9: clients left out, since it has more than 3 columns
"""


FORMS = ["as written", "with a BOM", "with CRLF", "quoted"]


@pytest.mark.parametrize("form", FORMS)
def test_mistakes_of_a_file_are_reported_by_line(server: Server, tmp_path: Path, form: str) -> None:
    file = tmp_path / "clients.csv"
    number = FORMS.index(form)
    owner = f"phone,invitation_code,inviter\n+7999200000{number},CCCC{number}9,\n"
    file.write_text(owner)
    told(server, str(file))
    text = MISTAKES.replace("BBBBB", f"CCCC{number}").replace("+799900000", f"+79991{number}000")
    if form == "quoted":
        text = re.sub(r"[^,\n]+", r'"\g<0>"', text)
    text = text.replace("\n", "\r\n" if form == "with CRLF" else "\n")
    file.write_text(text, "utf-8-sig" if form == "with a BOM" else "utf-8", newline="")
    assert told(server, str(file), "--dry-run") == told(server, str(file))
    again = told(server, str(file))
    assert again.startswith(REPORTED)
    assert "clients here already: 5" in again
    assert "invitations here already: 2" in again


def test_client_with_another_code_keeps_it_and_is_found_by_either(
    server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "clients.csv"
    file.write_text("phone,invitation_code,inviter\n+79990000021,DDDDD1,\n")
    told(server, str(file))
    file.write_text(
        "phone,invitation_code,inviter\n+79990000021,DDDDD2,\n+79990000022,,DDDDD2\n"
        "+79990000023,,DDDDD1\n"
    )
    said = told(server, str(file))
    assert said.startswith("line 2: invitation codes left out, since the client has another one\n")
    assert "invitations added: 2" in said


def test_a_dry_run_of_a_large_file_keeps_nobody_waiting(server: Server, tmp_path: Path) -> None:
    """Each client but the first is invited by the next one in the file."""
    file, count = tmp_path / "clients.csv", 30_000
    with file.open("w") as opened:
        opened.write("phone,invitation_code,inviter\n")
        for n in range(count):
            opened.write(f"+7998{n:07},{n:06},{n + 1:06}\n")
    said = told(server, str(file), "--dry-run")
    assert said.startswith(f"line {count + 1}: invitations left out, since nobody has")
    assert f"clients added: {count}\ninvitations added: {count - 1}" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"phone;code\n", "must begin with the line"),
        (b"phone;invitation_code;inviter\n", "separate the columns by commas"),
        (b"", "must begin with the line"),
        (b"phone,\xff\n", "is not CSV in UTF-8"),
        ("phone,invitation_code,inviter\n".encode("utf-16"), "is not CSV in UTF-8"),
        (b"phone,invitation_code,inviter\n" + b"1" * 200_000, "is not CSV in UTF-8"),
    ],
)
def test_a_wrong_file_is_refused_in_a_sentence(
    server: Server, tmp_path: Path, text: bytes, said: str
) -> None:
    file = tmp_path / "clients.csv"
    file.write_bytes(text)
    assert said in told(server, str(file), ends=1)
