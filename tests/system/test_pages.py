"""README.md and docs/ as pages: their links, the files they name, and the length of the README."""

import re
from pathlib import Path

import pytest

from tests.support.documentation import PAGES, README, REPOSITORY, TEXT, anchors, links


def test_the_readme_is_short_and_leads_to_every_page() -> None:
    assert len(README.read_text().splitlines()) <= 200
    led = {target.partition("#")[0] for _, target in links(README)}
    assert led >= {str(page.relative_to(REPOSITORY)) for page in PAGES if page != README}


def test_links_of_the_readme_name_the_page_to_which_they_lead() -> None:
    """A package index shows the README without the pages beside it."""
    for text, target in links(README):
        assert text == target.partition("#")[0]


def test_readme_agrees_with_the_pages() -> None:
    readme, pages = README.read_text(), "".join(page.read_text() for page in PAGES[1:])
    speed = re.findall(r"^\| .* \| [\d.]+ \| \d+ \| \d+ \|$", readme, re.MULTILINE)
    (compose,) = re.findall(r"^```sh\n(touch .*?)^```$", readme, re.DOTALL | re.MULTILINE)
    assert len(speed) == 5
    for text in (*speed, compose):
        assert text in pages


def test_files_that_the_documentation_names_exist() -> None:
    named = re.findall(r"`([\w./-]+\.(?:py|mjs|ts|yml|toml|txt|graphql|template))`", TEXT)
    folders = [REPOSITORY, REPOSITORY / "src/connect_hub", REPOSITORY / "tests/audit"]
    assert named
    for name in named:
        assert any((folder / name).exists() for folder in folders), name


FOLDERS = sorted((REPOSITORY / "tests").glob("*/README.md"))


@pytest.mark.parametrize(
    "page", [*PAGES, *FOLDERS], ids=lambda page: str(page.relative_to(REPOSITORY))
)
def test_links_into_the_repository_resolve(page: Path) -> None:
    for text, target in links(page):
        path, _, anchor = target.partition("#")
        led = (page.parent / path).resolve() if path else page
        assert led.exists(), f"[{text}]({target})"
        assert not anchor or anchor in anchors(led), f"[{text}]({target})"


def test_the_folders_of_the_web_client_exist() -> None:
    folders = re.findall(
        r"\b(src/\w+)/[ ,]", TEXT.partition("\n    web/\n")[2].partition("\n\n")[0]
    )
    assert folders
    for folder in folders:
        assert (REPOSITORY / "web" / folder).is_dir(), folder
