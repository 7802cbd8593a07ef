"""The benchmark tells builds of Python apart."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.bench import builds

DOCKERFILE = (builds.CHECKOUT / "Dockerfile").read_text()


def test_build_says_whether_it_is_optimised(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for arguments, optimised in (("'--enable-optimizations' '--with-lto'", True), ("", False)):
        monkeypatch.setattr(sysconfig, "get_config_var", {"CONFIG_ARGS": arguments}.get)
        monkeypatch.setattr(sys, "base_prefix", str(tmp_path))  # not Debian's
        assert builds.describe().endswith(", optimised" if optimised else ", not optimised")


def test_results_of_two_builds_do_not_compare(tmp_path: Path) -> None:
    ours, other = tmp_path / "ours.json", tmp_path / "other.json"
    ours.write_text(json.dumps({"python": builds.describe(), "me_to_floor": 1.0}))
    other.write_text(json.dumps({"python": "CPython 3.11.2, GCC 1, optimised"}))
    assert builds.read_result(ours)["me_to_floor"] == 1.0
    with pytest.raises(SystemExit, match="measure both on one build, with --python"):
        builds.read_result(other)


def test_image_is_built_only_on_an_optimised_python() -> None:
    (check,) = [line for line in DOCKERFILE.splitlines() if "CONFIG_ARGS" in line]
    command = check.removeprefix("RUN ").replace("python", f'"{sys.executable}"', 1)
    ran = subprocess.run(command, shell=True, capture_output=True, check=False)  # noqa: S602
    is_optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    assert (ran.returncode == 0) is is_optimised
