"""README.md and the pages in docs/, as the tests read them."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
README = REPOSITORY / "README.md"
PAGES = [README, *sorted((REPOSITORY / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text() for page in PAGES)
ADDRESS = "http://127.0.0.1:8000"  # of the documented lines

FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def blocks(language: str, text: str = TEXT) -> list[str]:
    """Find the code blocks of a language, in the order of the pages."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def table(first_column: str) -> dict[str, list[str]]:
    """Join all tables with this first column: the other cells of each row, by its `name`."""
    found: dict[str, list[str]] = {}
    for text in TEXT.split(f"\n| {first_column} |")[1:]:
        for row in text.partition("\n\n")[0].split("\n"):
            first, *rest = (cell.strip() for cell in row.strip("| ").split(" | "))
            if first.startswith("`"):
                assert first.strip("`") not in found, first
                found[first.strip("`")] = rest
    return found


def section(title: str) -> str:
    """Find the only section of level 2 with this title, without its heading."""
    _, text = TEXT.split(f"\n## {title}\n")
    return re.split(r"^##? ", text, maxsplit=1, flags=re.MULTILINE)[0]


def anchors(page: Path) -> set[str]:
    """Name the headings of a page as GitHub does in links to them."""
    titles = re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def links(page: Path) -> list[tuple[str, str]]:
    """Find the links of a page that lead into the repository: their text and target."""
    found = re.findall(r"\[([^]]+)\]\(([^)\s]+)\)", FENCED.sub("", page.read_text()))
    return [(text, target) for text, target in found if "://" not in target]
