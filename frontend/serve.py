"""`./run portal`: serve the portal on this machine."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from core.crypto import data_key
from core.errors import ConfigError
from core.settings import load_settings

APP = Path(__file__).resolve().parent / "app.py"
DEFAULT_PORT = 8501


def main(
    port: Annotated[int, typer.Option(min=1024, max=65535, help="The port on 127.0.0.1.")] = DEFAULT_PORT,
) -> None:
    """Serve the portal at http://127.0.0.1:PORT until Ctrl-C."""
    check_settings()
    check_port(port)
    typer.echo(f"the portal is at http://127.0.0.1:{port} (Ctrl-C stops it)")
    sys.stdout.flush()
    # The process becomes the server: signals reach it, and nothing is left behind.
    os.chdir(APP.parent.parent)
    os.execv(sys.executable, command(port))  # noqa: S606 - a fixed list, no shell


def command(port: int) -> list[str]:
    """The server's command line; what is not here stands in .streamlit/config.toml."""
    return [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(APP),
        "--server.address=127.0.0.1",
        f"--server.port={port}",
        f"--browser.serverPort={port}",
    ]


def check_settings() -> None:
    """Raises ConfigError, so that a missing key is one line here and no page of errors there."""
    settings = load_settings()
    if settings.supabase_secret_key is None:
        raise ConfigError("SUPABASE_SECRET_KEY is not set; the portal keeps its session table with it")
    data_key(settings)


def check_port(port: int) -> None:
    """Raises ConfigError when something listens there already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise ConfigError(f"port {port} on 127.0.0.1 is taken; choose another with --port") from None
