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
        return KEY_ID + nonce + self._aead.encrypt(nonce, _octets(text), column.encode())

    def decrypt(self, ciphertext: bytes, column: str) -> str:
        key_id, rest = ciphertext[:1], ciphertext[1:]
        if key_id != KEY_ID:
            raise Unreadable(f"{column} was written with a key that is not here")
        nonce, body = rest[:NONCE_OCTETS], rest[NONCE_OCTETS:]
        try:
            opened = self._aead.decrypt(nonce, body, column.encode())
        except InvalidTag:
            raise Unreadable(f"{column} was written with another SMSGW_SECRET_KEY") from None
        return opened.decode("utf-8", "surrogatepass")

    def hash(self, value: str, kind: str) -> bytes:
        """32 octets that find `value` again; equal values of two kinds hash differently."""
        return hmac.digest(self._hash_key, _octets(f"{kind}:{value}"), sha256)


def _octets(text: str) -> bytes:
    """Half a surrogate pair is no UTF-8, but may be what somebody sent."""
    return text.encode("utf-8", "surrogatepass")


def _derive(secret: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret.encode())
