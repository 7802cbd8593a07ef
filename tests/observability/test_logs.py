import json
import subprocess
import sys

import pytest

LOGGED = """
import sys
import structlog
from connect_hub.observability import logs
logs.configure()
try:
    raise ValueError(sys.argv[1])
except ValueError:
    structlog.get_logger().exception(sys.argv[1], request_id=sys.argv[2])
"""
REQUEST_ID = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("DETAIL: Key (phone)=(+79991234567) already exists", "(+799…67)"),
        ("in a path: /x/79991234567", "/x/799…67"),
        ("at a line\n+79991234567 and on", "+799…67"),
        (f"and {'aB-_' * 5}xy.12.{'aB-_' * 10}xyz too", "and … too"),
        (f"and {'aB-_' * 5}xy.12.{'aB-_' * 3}.{'aB-_' * 10}xyz too", "and … too"),
        ("a token eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ4In0.c2ln in a header", "a token … in a header"),
    ],
)
def test_phones_and_tokens_are_hidden_in_all_logs(said: str, kept: str) -> None:
    command = [sys.executable, "-c", LOGGED, said, REQUEST_ID]
    line = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert "9991234567" not in line
    assert "eyJ" not in line
    told = json.loads(line)
    assert kept in told["event"]
    assert "ValueError" in told["exception"]
    assert told["request_id"] == REQUEST_ID
