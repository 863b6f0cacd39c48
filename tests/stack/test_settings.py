"""Settings come from one place, and a key in the wrong slot is refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from core.crypto import SealError, data_key, new_key, seal, unseal
from core.errors import ConfigError
from core.settings import ALIASES, load_settings


def legacy(role: str) -> str:
    """A token of the old kind; only its claims are looked at."""
    claims = base64.urlsafe_b64encode(json.dumps({"role": role}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{claims}.signature"


@pytest.fixture(autouse=True)
def _no_outer_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for names in ALIASES.values():
        for name in names:
            monkeypatch.delenv(name, raising=False)
    for name in ("DATA_KEY", "STACK", "MEMORY_LIMIT", "THREADS", "ENGINE"):
        monkeypatch.delenv(f"FAIRSHARE_{name}", raising=False)


def project(tmp_path: Path, *, dotenv: str = "", local: str = "") -> Path:
    if dotenv:
        (tmp_path / ".env").write_text(dotenv)
    if local:
        (tmp_path / ".local" / "dev").mkdir(parents=True)
        (tmp_path / ".local" / "dev" / "env").write_text(local)
    return tmp_path


HOSTED = "SUPABASE_URL=https://p.supabase.co\nSUPABASE_PUBLISHABLE_KEY=sb_publishable_x\n"
LOCAL = "SUPABASE_URL=http://127.0.0.1:1\nSUPABASE_PUBLISHABLE_KEY=sb_publishable_l\nSUPABASE_SECRET_KEY=sb_secret_l\n"


def test_the_local_stack_serves_where_nothing_else_is_named(tmp_path: Path) -> None:
    settings = load_settings(root=project(tmp_path, local=LOCAL))
    assert settings.is_local
    assert settings.supabase_publishable_key == "sb_publishable_l"


def test_a_hosted_url_is_never_paired_with_the_local_secret(tmp_path: Path) -> None:
    settings = load_settings(root=project(tmp_path, dotenv=HOSTED, local=LOCAL))
    assert settings.supabase_url == "https://p.supabase.co"
    assert settings.supabase_secret_key is None
    assert not settings.is_local


def test_a_secret_in_the_environment_does_not_reach_the_local_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPABASE_SECRET_KEY", "sb_secret_of_another_project")
    settings = load_settings(root=project(tmp_path, local=LOCAL))
    assert settings.supabase_secret_key is not None
    assert settings.supabase_secret_key.get_secret_value() == "sb_secret_l"


def test_legacy_names_and_tokens_are_accepted(tmp_path: Path) -> None:
    dotenv = f"SUPABASE_URL=https://p.supabase.co\nSUPABASE_ANON_KEY={legacy('anon')}\nSUPABASE_SECRET={legacy('service_role')}\n"
    settings = load_settings(root=project(tmp_path, dotenv=dotenv))
    assert settings.supabase_publishable_key == legacy("anon")
    assert settings.supabase_secret_key is not None


@pytest.mark.parametrize(
    ("dotenv", "sentence"),
    [
        ("", "no Supabase is configured"),
        ("SUPABASE_URL=https://p.supabase.co\n", "SUPABASE_PUBLISHABLE_KEY is not set"),
        (f"SUPABASE_URL=https://p.supabase.co\nSUPABASE_ANON_KEY={legacy('service_role')}\n", "holds a secret key"),
        ("SUPABASE_URL=https://p.supabase.co\nSUPABASE_PUBLISHABLE_KEY=sb_secret_x\n", "holds a secret key"),
        (f"{HOSTED}SUPABASE_SECRET_KEY=sb_publishable_x\n", "does not hold a secret key"),
        (HOSTED.replace("https://p.supabase.co", "p.supabase.co"), "not a web address"),
        (f"{HOSTED}FAIRSHARE_MEMORY_LIMIT=lots\n", "FAIRSHARE_MEMORY_LIMIT"),
        (f"{HOSTED}FAIRSHARE_THREADS=0\n", "FAIRSHARE_THREADS"),
        (f"{HOSTED}FAIRSHARE_ENGINE=abacus\n", "FAIRSHARE_ENGINE"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence_without_a_key(tmp_path: Path, dotenv: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        load_settings(root=project(tmp_path, dotenv=dotenv))
    assert "sb_secret_x" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_secrets_print_as_stars(tmp_path: Path) -> None:
    assert "sb_secret_l" not in repr(load_settings(root=project(tmp_path, local=LOCAL)))


def test_a_sealed_text_opens_in_its_own_place_alone() -> None:
    key = base64.b64decode(new_key())
    token = seal("Zoë 😀", key, context="user_info.phone:1")
    assert unseal(token, key, context="user_info.phone:1") == "Zoë 😀"
    assert seal("Zoë 😀", key, context="user_info.phone:1") != token
    for other in (
        {"key": key, "context": "user_info.phone:2"},
        {"key": base64.b64decode(new_key()), "context": "user_info.phone:1"},
    ):
        with pytest.raises(SealError):
            unseal(token, **other)
    with pytest.raises(SealError):
        unseal(token[:-4] + "AAAA", key, context="user_info.phone:1")


@pytest.mark.parametrize("value", ["not base64!", "c2hvcnQ="])
def test_a_bad_data_key_is_refused_without_showing_it(tmp_path: Path, value: str) -> None:
    settings = load_settings(root=project(tmp_path, dotenv=f"{HOSTED}FAIRSHARE_DATA_KEY={value}\n"))
    with pytest.raises(ConfigError) as caught:
        data_key(settings)
    assert value not in str(caught.value)
