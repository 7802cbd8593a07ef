"""How much memory do cached documents take? `python -m tests.attacks.memory`.

Sends documents that differ from each other to a server of its own, of several kinds, one after the
other: each kind fills the cache anew, while the memory of the one before may not be free yet. The
resident memory of the process is printed, compared with what it was before the first document.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import httpx

from tests.support.processes import Server, serving

MAX_LENGTH = 16 * 1024
OPERATIONS = 54  # in one document, which takes 500 tokens

_PAGE = "{ totalCount nodes { id phone } edges { cursor node { id phone } } }"


def small(number: int) -> str:
    """Select one field."""
    return f"query Q{number} {{ me {{ id }} }}"


def long(number: int) -> str:
    """Select as much as the limits allow."""
    pages = "".join(f"a{n}: invitedClients {_PAGE} " for n in range(10))
    return f"query Q{number} {{ me {{ {pages} {'id ' * 5} }} }}"


def padded(document: str) -> str:
    """Add a comment until the document has its maximal length."""
    return document + "#" * (MAX_LENGTH - len(document))


def padded_wide(document: str) -> str:
    """Add a comment with an emoji: Python then keeps four bytes for each character of the text."""
    return padded(document)[:-1] + "\N{GRINNING FACE}"


def of_operations(number: int) -> str:
    """Write as many operations into one document as the limits allow."""
    operations = "".join(f"query Q{n}{{me{{id}}}}" for n in range(OPERATIONS))
    return f"{operations}query R{number}{{me{{id}}}}"


KINDS: dict[str, Callable[[int], str]] = {
    "small": small,
    "small, padded": lambda number: padded(small(number)),
    "small, padded, with an emoji": lambda number: padded_wide(small(number)),
    "long": long,
    "long, padded": lambda number: padded(long(number)),
}


def grown(server: Server, documents: int, *, plans: bool = False) -> Iterator[tuple[str, float]]:
    """Send documents of each kind; return by how many MB the process has grown after each kind.

    Args:
        server: just started, in one process.
        documents: of each kind.
        plans: also documents of many operations, each of which is executed.
    """
    token = server.register().token
    with httpx.Client(trust_env=False, headers={"Authorization": f"Bearer {token}"}) as http:

        def ask(query: str, operation: str | None = None) -> None:
            body = {"query": query, "operationName": operation}
            answer = http.post(f"http://127.0.0.1:{server.port}/graphql", json=body)
            if answer.json().keys() != {"data"}:
                raise click.ClickException(answer.text)

        for _ in range(100):
            ask("{ me { id } }")
        before = _resident(server)
        for kind, document in KINDS.items():
            for number in range(documents):
                for _ in range(2):  # what is used once is not cached
                    ask(document(number))
            yield kind, _resident(server) - before
        if plans:
            for number in range(documents // 5):
                for operation in range(OPERATIONS):
                    ask(of_operations(number), f"Q{operation}")
            yield "operations", _resident(server) - before


def _resident(server: Server) -> float:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


@click.command
@click.option("--documents", default=300, show_default=True, help="Documents of each kind.")
def main(documents: int) -> None:
    """Measure the memory of a server."""
    with TemporaryDirectory(prefix="ch-") as name:
        Path(name).chmod(0o755)  # PostgreSQL has another user where this one is root
        with serving(Path(name, "data")) as server:
            for kind, size in grown(server, documents, plans=True):
                click.echo(f"{size:+6.1f} MB at most after {documents} documents: {kind}")


if __name__ == "__main__":
    main()
