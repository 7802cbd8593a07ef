"""Which build of Python measures, and the environment that everything runs in: standard library."""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
CACHE = HERE / ".cache"

_INSTALL_TIMEOUT = 900  # seconds


def describe() -> str:
    """Describe the running build; one without profile-guided optimisation costs 15 % more CPU."""
    name, version = platform.python_implementation(), platform.python_version()
    return f"{name} {version}, {platform.python_compiler()}, {_optimisation()}"


def _optimisation() -> str:
    if "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""):
        return "optimised"
    if _is_of_debian(Path(sys.base_prefix, "bin", f"python{sysconfig.get_python_version()}")):
        return "optimised (Debian's package)"
    return "not optimised"


def _is_of_debian(executable: Path) -> bool:
    """Whether Debian's package installed it; its rules say `make profile-opt`, not `configure`."""
    files = Path("/var/lib/dpkg/info", f"{executable.name}-minimal.list")
    return files.is_file() and str(executable) in files.read_text().splitlines()


def read_result(file: Path) -> dict[str, float | str]:
    """Read a result, unless it is of another build: the comparison would be of the two builds.

    Raises:
        SystemExit: it is.
    """
    result: dict[str, float | str] = json.loads(file.read_text())
    if result["python"] != describe():
        raise SystemExit(
            f"{file} was measured on {result['python']}. This is {describe()}: measure both on one"
            " build, with --python."
        )
    return result


def enter() -> None:
    """Continue in an environment of the build that `--python` names, or of the running one."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--python", default=sys.executable)
    wanted = parser.parse_known_args()[0].python
    build = subprocess.run(
        [wanted, __file__], capture_output=True, text=True, check=True, timeout=30
    ).stdout.strip()
    folder = CACHE / re.sub(r"[^0-9A-Za-z.]+", "-", build).strip("-")
    if Path(sys.prefix) != folder:
        python = str(folder / "bin" / "python")
        install([CHECKOUT / "pyproject.toml", HERE / "requirements.txt"], folder, [
            [wanted, "-m", "venv", str(folder)],
            [python, "-m", "pip", "install", "-qr", "requirements.txt"],
        ])  # fmt: skip
        os.execv(python, [python, *sys.argv])  # noqa: S606 (this program, in its environment)


def install(wanted: list[Path], folder: Path, commands: list[list[str]]) -> None:
    """Fill a folder that git ignores; do it again when the requirements have changed."""
    texts = "".join(file.read_text() for file in wanted)
    done = folder / ".installed"
    if not done.exists() or done.read_text() != texts:
        for command in commands:
            subprocess.run(command, cwd=wanted[-1].parent, check=True, timeout=_INSTALL_TIMEOUT)
        (folder / ".gitignore").write_text("*\n")
        done.write_text(texts)


if __name__ == "__main__":
    print(describe())  # noqa: T201
