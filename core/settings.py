"""All settings, read once: environment, then `.env`, then what the local stack generated.

The first source that names a Supabase URL decides for all of the connection settings, so that a hosted URL can
never be paired with the local stack's keys.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from core.errors import ConfigError
from core.limits import MEMORY_LIMIT, MOST_THREADS

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_STACK = "dev"
_LOCAL_HOSTS = {"127.0.0.1", "localhost", "::1"}

#: The newest name first; older names of the same setting are accepted after it.
ALIASES: Mapping[str, tuple[str, ...]] = {
    "supabase_url": ("SUPABASE_URL",),
    "supabase_publishable_key": ("SUPABASE_PUBLISHABLE_KEY", "SUPABASE_ANON_KEY"),
    "supabase_secret_key": ("SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_SECRET"),
    "supabase_db_url": ("SUPABASE_DB_URL",),
}


class Settings(BaseModel):
    """What the programs need to know of their surroundings. Secrets print as stars."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    supabase_url: str
    supabase_publishable_key: str
    supabase_secret_key: SecretStr | None = None
    supabase_db_url: SecretStr | None = None
    abstract_api_key: SecretStr | None = None
    fairshare_data_key: SecretStr | None = None
    fairshare_webhook_secret: SecretStr | None = None
    fairshare_mailbox_dir: Path | None = None
    fairshare_engine: Literal["duckdb", "spark"] = "duckdb"
    fairshare_memory_limit: str = Field(default="4GB", pattern=MEMORY_LIMIT)
    fairshare_temp_dir: Path | None = None
    fairshare_threads: int | None = Field(default=None, ge=1, le=MOST_THREADS)

    @property
    def is_local(self) -> bool:
        """The Supabase in use listens on this machine alone."""
        return urlsplit(self.supabase_url).hostname in _LOCAL_HOSTS


def stack_env_file(stack: str) -> Path:
    """Where the local stack `stack` leaves its generated settings."""
    return ROOT / ".local" / stack / "env"


def is_secret_key(key: str) -> bool:
    """A new-style secret key, or a legacy JWT whose role is service_role."""
    if key.startswith("sb_secret_"):
        return True
    parts = key.split(".")
    if len(parts) != 3:
        return False
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return False
    return isinstance(claims, dict) and claims.get("role") not in (None, "anon")


def _first(source: Mapping[str, str | None], names: tuple[str, ...]) -> str | None:
    return next((value for name in names if (value := source.get(name))), None)


def load_settings(stack: str | None = None, *, root: Path = ROOT) -> Settings:
    """Reads the settings; `stack`, or FAIRSHARE_STACK in the environment, names a local stack and then nothing else
    decides the connection.

    Raises ConfigError with one sentence when no Supabase is configured or a key stands in the wrong slot.
    """
    stack = stack or os.environ.get("FAIRSHARE_STACK") or None
    name = stack or DEFAULT_STACK
    local_file = root / ".local" / name / "env"
    environment: dict[str, str | None] = dict(os.environ)
    dotenv = dotenv_values(root / ".env") if (root / ".env").exists() else {}
    local = dotenv_values(local_file) if local_file.exists() else {}
    sources: list[Mapping[str, str | None]] = [local] if stack else [environment, dotenv, local]

    connection = next((source for source in sources if source.get("SUPABASE_URL")), None)
    if connection is None:
        raise ConfigError(
            "no Supabase is configured: start the local one with ./run stack up, "
            "or set SUPABASE_URL and its keys in .env"
        )
    # The environment may override single keys of the same project, e.g. a secret given only to a job.
    layers = [connection] if connection is local else [environment, dotenv]
    found: dict[str, str] = {}
    for field, names in ALIASES.items():
        value = next((v for layer in layers if (v := _first(layer, names))), None)
        if value:
            found[field] = value
    others = [environment, dotenv, local] if connection is local else [environment, dotenv]
    for field in Settings.model_fields:
        if field not in ALIASES and (value := next((v for layer in others if (v := layer.get(field.upper()))), None)):
            found[field] = value

    if "supabase_publishable_key" not in found:
        raise ConfigError("SUPABASE_PUBLISHABLE_KEY is not set (the legacy name SUPABASE_ANON_KEY is accepted too)")
    if is_secret_key(found["supabase_publishable_key"]):
        raise ConfigError(
            "SUPABASE_PUBLISHABLE_KEY holds a secret key; put it in SUPABASE_SECRET_KEY and revoke it if it was public"
        )
    secret = found.get("supabase_secret_key")
    if secret is not None and not is_secret_key(secret):
        raise ConfigError("SUPABASE_SECRET_KEY does not hold a secret key (sb_secret_… or a service_role token)")
    if urlsplit(found["supabase_url"]).scheme not in ("http", "https") or not urlsplit(found["supabase_url"]).hostname:
        raise ConfigError("SUPABASE_URL is not a web address such as https://PROJECT.supabase.co")
    try:
        return Settings.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{str(first['loc'][0]).upper()}: {first['msg']}") from None
