"""What those who run a server do about their own invitation codes, while it serves."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import Server, run, serving


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with serving(folder / "invitations") as server:
        yield server


def told(server: Server, *arguments: str, ends: int = 0) -> str:
    done = run("invitations", *arguments, DATA_DIR=str(server.data_dir))
    assert done.returncode == ends, done
    return done.stdout + done.stderr


def test_a_code_is_created_listed_and_ended(server: Server) -> None:
    code = told(
        server, "create", "--uses", "500", "--until", "2099-03-31", "--note", "fair"
    ).strip()
    assert re.search(
        f"^{code}  live +0 of 500 +2099-03-31  fair$", told(server, "list"), re.MULTILINE
    )
    assert told(server, "end", code.lower()) == "Ended.\n"
    assert re.search(f"^{code}  ended ", told(server, "list"), re.MULTILINE)


def test_codes_of_one_use_are_printed_as_csv(server: Server) -> None:
    header, *codes = told(server, "create", "--count", "100").split()
    assert header == "code"
    assert len(set(codes)) == 100
    assert told(server, "list").count("0 of 1 ") == 100


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("end", "ZZZZZZ"), "No campaign has this code"),
        (("end", "nonsense"), "No campaign has this code"),
        (("create", "--until", "2020-01-01"), "--until is in the past"),
        (("create", "--count", "2", "--uses", "3"), "remove --uses"),
        (("create", "--note", "x" * 201), "at most 200 characters"),
        (("create", "--note", "a\nb"), "one line"),
    ],
)
def test_a_wrong_argument_is_refused_in_a_sentence(
    server: Server, arguments: tuple[str, ...], said: str
) -> None:
    assert said in told(server, *arguments, ends=1)


@pytest.mark.parametrize("arguments", [("--uses", "0"), ("--count", "0"), ("--until", "soon")])
def test_a_number_or_date_that_cannot_be_is_refused(
    server: Server, arguments: tuple[str, ...]
) -> None:
    told(server, "create", *arguments, ends=2)
