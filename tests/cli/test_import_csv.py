"""Clients of other systems, imported from a CSV file while a server runs."""

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


@pytest.mark.parametrize(
    ("text", "said"),
    [(b"phone;code\n", "must begin with the line"), (b"phone,\xff\n", "is not CSV in UTF-8")],
)
def test_a_wrong_file_is_refused_in_a_sentence(
    server: Server, tmp_path: Path, text: bytes, said: str
) -> None:
    file = tmp_path / "clients.csv"
    file.write_bytes(text)
    assert said in told(server, str(file), ends=1)
