"""Several hosts in DATABASE_URL: the first one that will do is used, whatever the others do."""

import socket
from pathlib import Path

from connect_hub.security.keys import new_secret
from tests.support import databases
from tests.support.lookalikes import Lookalike, imitating
from tests.support.processes import serving


def test_host_that_does_not_answer_leaves_time_for_the_next(postgres: str, folder: Path) -> None:
    database = databases.create(postgres)
    with (
        imitating(database.socket, Lookalike()) as port,
        socket.create_server(("127.0.0.2", port)),  # accepts connections and stays silent
    ):
        hosts = f"127.0.0.2:{port},127.0.0.1:{port}"
        parameters = "target_session_attrs=read-write&connect_timeout=1"
        url = f"postgresql://{database.name}@{hosts}/{database.name}?{parameters}"
        with serving(folder / "hosts", DATABASE_URL=url, SECRET_KEY=new_secret()) as server:
            assert server.knows(server.register())
