"""What the surroundings of the commands may be like: the shell, files, folders, ports."""

from pathlib import Path

from tests.processes import run, serving

OF_ANOTHER_SERVER = {
    "PGHOST": "db.example.com",
    "PGPORT": "1",
    "PGUSER": "somebody",
    "PGDATABASE": "another",
    "PGPASSWORD": "hunter2",
    "PGSERVICE": "nothing",
    "PGSERVICEFILE": "/nowhere",
    "PGOPTIONS": "-c nothing=1",
    "PGSSLMODE": "verify-full",
    "PGSSLROOTCERT": "/nowhere",
    "PGSSLCERT": "/nowhere",
    "PGSSLKEY": "/nowhere",
    "PGSSLCRL": "/nowhere",
    "PGSSLNEGOTIATION": "direct",
    "PGSSLMINPROTOCOLVERSION": "TLSv9",
    "PGTARGETSESSIONATTRS": "standby",
    "PGCHANNELBINDING": "require",
    "PGREQUIREAUTH": "none",
    "PGGSSENCMODE": "require",
    "PGKRBSRVNAME": "nothing",
    "PGGSSLIB": "nothing",
    "PGCLIENTENCODING": "WIN1251",
    "PGTZ": "Asia/Kathmandu",
    "PGDATESTYLE": "German",
    "PGCONNECT_TIMEOUT": "1",
    "PGDATA": "/nowhere",
    "PGAPPNAME": "another",
}


def test_the_embedded_database_ignores_what_the_shell_says_of_others(folder: Path) -> None:
    home = folder / "home"
    home.mkdir()
    (home / ".pgpass").mkdir()  # which nobody could read
    shell = {**OF_ANOTHER_SERVER, "PGPASSFILE": "/nowhere", "HOME": str(home)}
    data_dir = folder / "shell"
    done = run("migrate", DATA_DIR=str(data_dir), **shell)
    assert (done.returncode, done.stderr) == (0, "")
    with serving(data_dir, port=0, **shell) as server:
        assert server.knows(server.register())
        for command in (["stats"], ["doctor"], ["migrate"]):
            done = run(*command, DATA_DIR=str(data_dir), **shell)
            assert (done.returncode, done.stderr) == (0, ""), done
