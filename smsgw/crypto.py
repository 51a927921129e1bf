"""Stored texts and numbers: a keyed hash to find them by, and ciphertext to read them by.

All keys derive (HKDF-SHA256) from SMSGW_SECRET_KEY. Ciphertext is one key id octet, a 12 octet
nonce, then AES-256-GCM-SIV with its tag; the column it belongs to is authenticated, so that a value
moved to another column does not open. GCM-SIV, because a nonce that repeats then tells only that
two texts are equal.
"""

import hmac
import os
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_ID = b"\x01"
NONCE_OCTETS = 12


class Unreadable(Exception):
    """Ciphertext that this key did not make."""


class Vault:
    def __init__(self, secret: str) -> None:
        self._aead = AESGCMSIV(_derive(secret, b"smsgw texts and numbers 1"))
        self._hash_key = _derive(secret, b"smsgw keyed hash 1")

    def encrypt(self, text: str, column: str) -> bytes:
        nonce = os.urandom(NONCE_OCTETS)
        return KEY_ID + nonce + self._aead.encrypt(nonce, text.encode(), column.encode())

    def decrypt(self, ciphertext: bytes, column: str) -> str:
        key_id, rest = ciphertext[:1], ciphertext[1:]
        if key_id != KEY_ID:
            raise Unreadable(f"{column} was written with a key that is not here")
        nonce, body = rest[:NONCE_OCTETS], rest[NONCE_OCTETS:]
        try:
            return self._aead.decrypt(nonce, body, column.encode()).decode()
        except InvalidTag:
            raise Unreadable(f"{column} was written with another SMSGW_SECRET_KEY") from None

    def hash(self, value: str, kind: str) -> bytes:
        """32 octets that find `value` again; equal values of two kinds hash differently."""
        return hmac.digest(self._hash_key, f"{kind}:{value}".encode(), sha256)


def _derive(secret: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret.encode())
