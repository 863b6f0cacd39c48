"""Personal data at rest: AES-256-GCM with a key that never reaches the database.

A sealed text is `v1.` and the urlsafe base64 of nonce (12 bytes) and ciphertext. The context (table, column and
row owner) is authenticated with it, so that a ciphertext moved to another row or column does not open.
"""

from __future__ import annotations

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.errors import ConfigError, FairshareError
from core.settings import Settings

_PREFIX = "v1."
_NONCE_BYTES = 12
KEY_BYTES = 32


class SealError(FairshareError):
    """A sealed text does not open: wrong key, wrong place or damaged."""


def new_key() -> str:
    """A fresh random key in the form `FAIRSHARE_DATA_KEY` takes."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def parse_key(text: str) -> bytes:
    """The 32 bytes of a `FAIRSHARE_DATA_KEY`. Raises ConfigError, never showing the key."""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError("FAIRSHARE_DATA_KEY is not base64; make one with: openssl rand -base64 32") from None
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"FAIRSHARE_DATA_KEY holds {len(key)} bytes instead of {KEY_BYTES}; make one with: openssl rand -base64 32"
        )
    return key


def data_key(settings: Settings) -> bytes:
    """The key for personal data. Raises ConfigError when none is set."""
    if settings.fairshare_data_key is None:
        raise ConfigError("FAIRSHARE_DATA_KEY is not set; personal data can neither be stored nor read without it")
    return parse_key(settings.fairshare_data_key.get_secret_value())


def seal(text: str, key: bytes, *, context: str) -> str:
    """Encrypts `text` for the place named by `context`."""
    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, text.encode(), context.encode())
    return _PREFIX + base64.urlsafe_b64encode(nonce + sealed).decode()


def unseal(token: str, key: bytes, *, context: str) -> str:
    """Opens what `seal` made for the same key and context. Raises SealError."""
    if not token.startswith(_PREFIX):
        raise SealError(f"the sealed text for {context} has no known version")
    try:
        raw = base64.urlsafe_b64decode(token[len(_PREFIX) :])
        return AESGCM(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], context.encode()).decode()
    except (InvalidTag, binascii.Error, ValueError):
        raise SealError(f"the sealed text for {context} does not open with this key") from None
