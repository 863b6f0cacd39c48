"""The pinned closure holds together where we override it."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path

import imageio_ffmpeg
from moviepy import VideoFileClip

from core.settings import ROOT


def test_moviepy_probes_and_reads_frames_with_the_pillow_that_is_safe(tmp_path: Path) -> None:
    assert int(version("pillow").split(".")[0]) >= 13
    film = tmp_path / "film.mp4"
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    source = "testsrc=duration=1:size=64x48:rate=10"
    subprocess.run([ffmpeg, "-v", "error", "-f", "lavfi", "-i", source, film], check=True)
    with VideoFileClip(str(film)) as clip:
        assert clip.size == [64, 48]
        assert clip.duration == 1
        assert clip.get_frame(0.5).shape == (48, 64, 3)


def test_every_pin_is_exact_and_installed() -> None:
    pins = [
        line.split("==")
        for name in ("requirements.txt", "requirements-dev.txt")
        for line in (ROOT / name).read_text().splitlines()
        if line and not line.startswith(("#", "-r"))
    ]
    assert {name: version(name) for name, _ in pins} == dict(pins)
