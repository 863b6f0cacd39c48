"""`./run check` and `./run test`: one command that proves everything, and says in one line what is missing.

Nothing may run on after the tests: what a killed run left is cleared before, and what this one left is an error.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import psutil
import typer

from core.errors import FairshareError
from core.java import NEEDED, java_version
from core.settings import ROOT
from core.terminal import console
from local_stack.stack import Stack

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_TEST_STACK = re.compile(r"test-(\d+)(-\w+)?")
_SPARK_PINS = ROOT / "requirements-spark.txt"
_PYTHON = [sys.executable, "-P", "-m"]


class CheckFailed(FairshareError):
    """A check or test is red; its own output has said why."""

    exit_code = 1


def run_checks() -> None:
    """Lint, format, types and dead code; stops at the first that is red."""
    for name, command in (
        ("lint", [*_PYTHON, "ruff", "check", "--quiet", "."]),
        ("format", [*_PYTHON, "ruff", "format", "--check", "--quiet", "."]),
        ("types", [*_PYTHON, "mypy", "--no-error-summary"]),
        ("dead code", [*_PYTHON, "vulture"]),
        ("shell", ["sh", "-n", "run"]),
    ):
        console.print(f"check: {name}")
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            raise CheckFailed(f"{name} is red, see above")
    console.print("every check is green")


def run_tests(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(help="Handed to pytest, for example tests/money -k cap; the checks are skipped then."),
    ] = None,
) -> None:
    """Every check and every test, in a stack of their own that is gone afterwards."""
    _clear_stale_stacks()
    if not arguments:
        run_checks()
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    if not arguments or any("spark" in part for part in arguments):
        environment |= _set_up_spark()
    browser = _find_browser() or _install_browser()
    if browser:
        environment["FAIRSHARE_CHROMIUM"] = browser
    tests = subprocess.run([*_PYTHON, "pytest", *(arguments or [])], cwd=ROOT, env=environment, check=False)
    left = _clear_stale_stacks()
    if left:
        raise CheckFailed(f"the tests left running what they started, now stopped: {', '.join(left)}")
    if tests.returncode != 0:
        raise CheckFailed("tests are red, see above")


def _find_browser() -> str | None:
    return os.environ.get("FAIRSHARE_CHROMIUM") or next((p for name in _BROWSERS if (p := shutil.which(name))), None)


def _install_browser() -> str | None:
    """Debian's Chromium where root or a password-less sudo may install it; else one line that says how."""
    how = "no Chromium for the browser tests; install one (Debian: apt-get install chromium) or set FAIRSHARE_CHROMIUM"
    apt = shutil.which("apt-get")
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    may = apt and (not sudo or (shutil.which("sudo") and subprocess.run([*sudo, "true"], check=False).returncode == 0))
    if not may:
        console.print(how)
        return None
    console.print("installing Chromium for the browser tests (once) …")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "install", "-y", "chromium"]):
        done = subprocess.run([*sudo, *command], env=environment, stdout=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            console.print(how)
            return None
    return _find_browser()


def _set_up_spark() -> dict[str, str]:
    """What the tests on Spark need in the environment; they run wherever there is Java, elsewhere one line says so."""
    java = java_version()
    if java is None or java < NEEDED:
        console.print(
            f"no Java {NEEDED}, so no tests on Spark (Debian: apt-get install openjdk-{NEEDED}-jre-headless)",
            soft_wrap=True,
        )
        return {}
    pins = [line.split("==") for line in _SPARK_PINS.read_text().splitlines() if "==" in line]
    if any(_installed(name) != pinned for name, pinned in pins):
        console.print("installing Spark for the tests (once; 450 MB) …")
        command = [*_PYTHON, "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
        if subprocess.run([*command, "-r", _SPARK_PINS], cwd=ROOT, check=False).returncode != 0:
            if os.environ.get("CI"):
                raise CheckFailed(f"{_SPARK_PINS.name} could not be installed, see above")
            console.print("the tests on Spark are left out: its packages could not be installed", soft_wrap=True)
            return {}
    return {"FAIRSHARE_TEST_SPARK": "1"}


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _clear_stale_stacks() -> list[str]:
    """Removes test stacks whose test run has ended; returns the names of those that still ran something."""
    running = []
    for folder in sorted((ROOT / ".local").glob("test-*")):
        match = _TEST_STACK.fullmatch(folder.name)
        if match is None or _is_test_run(int(match[1])):
            continue
        stack = Stack(folder.name)
        if stack.down():
            running.append(folder.name)
        stack.remove()
    return running


def _is_test_run(pid: int) -> bool:
    try:
        return any("pytest" in Path(part).name for part in psutil.Process(pid).cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
