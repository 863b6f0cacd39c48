"""What a newcomer reads and types agrees with what is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cli import COMMANDS, paragraphs
from core.cli import guarded
from core.errors import BadInput
from core.settings import ALIASES, ROOT, Settings

PACKAGES = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
NAMES = {command.name for command in COMMANDS}
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "cli", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_overview_names_every_command() -> None:
    said = run("--help")
    assert said.returncode == 0
    assert set(re.findall(r"\./run ([a-z-]+)  ", said.stdout)) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_command_tells_its_options(name: str) -> None:
    said = run(name, "--help")
    assert (said.returncode, said.stderr) == (0, "")
    assert f"Usage: ./run {name}" in said.stdout


@pytest.mark.parametrize("name", sorted(NAMES - {"check", "test"}))
def test_an_unknown_option_is_refused(name: str) -> None:
    said = run(name, "--no-such-option")
    assert said.returncode == 2
    assert "Traceback" not in said.stderr


def test_an_unknown_command_ends_with_one_line_and_exit_code_2() -> None:
    said = run("frobnicate")
    assert said.returncode == 2
    assert said.stderr.startswith("error: there is no command 'frobnicate'")
    assert said.stderr.count("\n") == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_command_and_link_of_the_pages_exists(page: Path) -> None:
    text = page.read_text()
    assert set(re.findall(r"\./run ([a-z][a-z-]*)", text)) <= NAMES
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_index_of_the_decisions_names_every_one_by_its_number() -> None:
    folder = ROOT / "docs" / "decisions"
    decisions = sorted(file for file in folder.glob("*.md") if file.name != "README.md")
    lines = [file.read_text().splitlines()[0] for file in decisions]
    titles = [line.removeprefix(f"# {file.name[:4]}: ") for file, line in zip(decisions, lines, strict=True)]
    assert not [title for title in titles if title.startswith("#")], "a decision begins with `# NUMBER: `"
    index = re.findall(r"^\| \[(\d{4})\]\((.+?)\) \| (.+) \|$", (folder / "README.md").read_text(), re.MULTILINE)
    assert index == [(file.name[:4], file.name, title) for file, title in zip(decisions, titles, strict=True)]


def test_every_page_that_a_text_names_is_here() -> None:
    texts = [file for kind in ("*.py", "*.sql", "*.md", "*.toml") for file in _own_files(kind)]
    here = {file.name for file in _own_files("*.md")}
    assert here >= {name for file in texts for name in re.findall(r"\b[A-Z][A-Z_]+\.md\b", file.read_text())}


def _own_files(pattern: str) -> list[Path]:
    ours = [ROOT, *(ROOT / folder for folder in sorted({"tests", "docs", "supabase"} | PACKAGES))]
    found = [file for folder in ours for file in (folder.glob(pattern) if folder == ROOT else folder.rglob(pattern))]
    return [file for file in found if "node_modules" not in file.parts]


def test_a_help_is_wrapped_to_the_readers_terminal() -> None:
    assert paragraphs("One\n    line.\n\n    And\n    another.") == "One line.\n\nAnd another."


def test_a_command_that_needs_more_than_the_image_has_says_what_is_missing() -> None:
    program = "import sys; sys.modules['psutil'] = None; import cli; cli.main(['stack', 'status'])"
    said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (
        2, "error: ./run stack needs the package psutil, see requirements-dev.txt\n",
    )  # fmt: skip


def test_the_example_environment_names_every_setting_once() -> None:
    named = re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert len(named) == len(set(named))
    newest = {names[0] for names in ALIASES.values()}
    others = {field.upper() for field in Settings.model_fields if field not in ALIASES}
    local_only = {"FAIRSHARE_STACK", "FAIRSHARE_SITE_URL", "FAIRSHARE_PYTHON", "FAIRSHARE_SPARK_MASTER"}
    assert set(named) == (newest | others | local_only) - {"FAIRSHARE_MAILBOX_DIR"}


def test_run_works_from_another_folder_whose_files_bear_our_names(tmp_path: Path) -> None:
    (tmp_path / "cli.py").write_text("raise SystemExit('the wrong cli')")
    said = subprocess.run(
        [ROOT / "run", "--help"], cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert said.returncode == 0
    assert "pay creators by trusted engagement" in said.stdout


def test_an_error_is_one_line_that_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    """What is quoted may come from a file: no control character of it reaches the terminal."""
    with pytest.raises(SystemExit), guarded():
        raise BadInput("there is no \x1b[31mred\x07\nü")
    assert capsys.readouterr().err == "error: there is no \\x1b[31mred\\x07 ü\n"
