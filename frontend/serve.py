"""`./run portal`: serve the portal on this machine."""

from __future__ import annotations

import errno
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
LOCAL_HOST = "127.0.0.1"


def main(
    port: Annotated[int, typer.Option(min=1024, max=65535, help="The port.")] = DEFAULT_PORT,
    host: Annotated[
        str, typer.Option(help="The address to listen on; 0.0.0.0 in a container, behind a proxy that speaks TLS.")
    ] = LOCAL_HOST,
) -> None:
    """Serve the portal until Ctrl-C, by default for this machine alone.

    Under another name than localhost, set STREAMLIT_SERVER_ALLOWED_HOSTS to that name.
    """
    check_settings()
    check_port(port, host)
    typer.echo(f"the portal is at http://{host}:{port} (Ctrl-C stops it)")
    sys.stdout.flush()
    # The process becomes the server: signals reach it, and nothing is left behind.
    os.chdir(APP.parent.parent)
    os.execv(sys.executable, command(port, host))  # noqa: S606 - a fixed list, no shell


def command(port: int, host: str = LOCAL_HOST) -> list[str]:
    """The server's command line; what is not here stands in .streamlit/config.toml."""
    return [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(APP),
        f"--server.address={host}",
        f"--server.port={port}",
        f"--browser.serverPort={port}",
    ]


def check_settings() -> None:
    """Raises ConfigError, so that a missing key is one line here and no page of errors there."""
    settings = load_settings()
    if settings.supabase_secret_key is None:
        raise ConfigError("SUPABASE_SECRET_KEY is not set; the portal keeps its session table with it")
    data_key(settings)


def check_port(port: int, host: str = LOCAL_HOST) -> None:
    """Raises ConfigError when the address is not this machine's or something listens there already."""
    if not host.strip():
        # Streamlit would take no address for every address.
        raise ConfigError("--host is empty; name an address, or 0.0.0.0 for all of them")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ConfigError(f"{host} is not an address of this machine that it can listen on") from None
            raise ConfigError(f"port {port} on {host} is taken; choose another with --port") from None
