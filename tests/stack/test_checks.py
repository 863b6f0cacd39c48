"""The tests on Spark run wherever there is Java, and where everything has to be proved they can not be left out."""

from __future__ import annotations

import pytest

import checks


@pytest.fixture
def java(tmp_path, monkeypatch):
    """A Java 17 as far as its version goes, and pins that can not be had."""
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'openjdk version \"17.0.15\"' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    pins = tmp_path / "requirements-spark.txt"
    pins.write_text("--no-index\npyspark==0.0.1\n")
    monkeypatch.setattr(checks, "_SPARK_PINS", pins)
    monkeypatch.delenv("CI", raising=False)


@pytest.mark.usefixtures("java")
def test_in_ci_a_spark_that_can_not_be_installed_is_red(monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(checks.CheckFailed, match=r"requirements-spark\.txt could not be installed"):
        checks._set_up_spark()


@pytest.mark.usefixtures("java")
def test_elsewhere_one_line_says_that_its_tests_are_left_out(capsys):
    assert checks._set_up_spark() == {}
    assert "the tests on Spark are left out" in capsys.readouterr().err


def test_without_java_one_line_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert checks._set_up_spark() == {}
    assert capsys.readouterr().err.count("\n") == 1
