"""Stores texts and numbers as a keyed hash to find them by, and ciphertext to read them by.

Ciphertext is one octet that names the data key, a 12 octet nonce, then AES-256-GCM-SIV with its
tag; the column it belongs to, and what names its row, are authenticated, so that a value moved to
another column or row does not open. GCM-SIV, because a nonce that repeats then tells only that two
texts are equal. Data keys are random and lie in the database, wrapped by a key that derives
(HKDF-SHA256) from SMSGW_SECRET_KEY. Hashes are keyed BLAKE2b (RFC 7693), which takes a third of the
time of an HMAC.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from hashlib import blake2b
from itertools import product
from json.encoder import encode_basestring_ascii
from math import inf
from threading import Lock
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_OCTETS = 12
KEY_OCTETS = 32
HASH_OCTETS = 32
WRAPPED_OCTETS = NONCE_OCTETS + KEY_OCTETS + 16  # under one secret
FIRST_KEY, LAST_KEY = 1, 255  # ids are one octet
KNOWN = 4096  # hashes that are remembered: a message asks for that of its phone several times

Part = str | int | bytes | datetime | date | None  # of what names a row


class Unreadable(Exception):
    """Says that no key here made this ciphertext."""


class NoHashing(Unreadable):
    """Says that the key of the hashes cannot be used, and why."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Holds the keys that encrypt and find a database's values."""

    data: Mapping[int, bytes]  # by id
    active: int  # the one that seals
    hashing: bytes


class Wrapper:
    """Keeps keys under every secret it is given, so that who has one of them can go on."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._ciphers = [AESGCMSIV(derived(each, b"smsgw wrapped keys 1")) for each in secrets]

    def wrap(self, key: bytes, name: str) -> bytes:
        nonces = [os.urandom(NONCE_OCTETS) for _ in self._ciphers]
        return b"".join(
            nonce + cipher.encrypt(nonce, key, name.encode())
            for nonce, cipher in zip(nonces, self._ciphers, strict=True)
        )

    def unwrap(self, wrapped: bytes, name: str) -> bytes:
        """Raises Unreadable."""
        each = [wrapped[at : at + WRAPPED_OCTETS] for at in range(0, len(wrapped), WRAPPED_OCTETS)]
        for part, cipher in product(each, self._ciphers):
            try:
                return cipher.decrypt(part[:NONCE_OCTETS], part[NONCE_OCTETS:], name.encode())
            except (InvalidTag, ValueError):
                continue
        raise Unreadable("the keys of this database are under another SMSGW_SECRET_KEY")


class Vault:
    """Seals and opens with the keys that `load` gives; asks it again for an id it does not know."""

    def __init__(self, load: Callable[[], Keys], lasts: float = inf) -> None:
        """Takes `lasts`, the seconds after which `refresh` asks again which key seals."""
        self._load = load
        self._lasts = lasts
        self._until = 0.0
        self._keys: Keys | None = None
        self._ciphers: dict[int, AESGCMSIV] = {}
        self._lock = Lock()

    def refresh(self) -> None:
        """Learns of keys that were made meanwhile, where that was not done of late. Whoever holds
        keys goes on with them where those of the database cannot be read any more."""
        if self._is_fresh():
            return
        with self._lock:
            if not self._is_fresh():
                self._take(self._newest())

    def reload(self) -> None:
        self._until = 0.0
        self.refresh()

    @property
    def active(self) -> int:
        """Returns the id of the key that seals."""
        return self._current_keys().active

    def encrypt(self, text: str, column: str, *row: Part) -> bytes:
        """Encrypts a value. `row` is what names the row, known before it is stored and never
        changed."""
        key = self._current_keys().active
        nonce = os.urandom(NONCE_OCTETS)
        sealed = self._ciphers[key].encrypt(nonce, _octets(text), _place(column, row))
        return bytes([key]) + nonce + sealed

    def decrypt(self, ciphertext: bytes, column: str, *row: Part) -> str:
        """Decrypts a value; `row` as when it was encrypted. Raises Unreadable."""
        cipher = self._cipher(ciphertext[0]) if ciphertext else None
        if cipher is None:
            raise Unreadable(f"{column} was written with a key that is not here")
        nonce, body = ciphertext[1 : 1 + NONCE_OCTETS], ciphertext[1 + NONCE_OCTETS :]
        try:
            opened = cipher.decrypt(nonce, body, _place(column, row))
        except (InvalidTag, ValueError):
            problem = "was written with another SMSGW_SECRET_KEY or for another row, or is damaged"
            raise Unreadable(f"{column} {problem}") from None
        return opened.decode("utf-8", "surrogatepass")

    def hash(self, value: str, kind: str) -> bytes:
        """Returns 32 octets that find `value` again; equal values of two kinds hash differently."""
        return _hash(self._current_keys().hashing, f"{kind}:{value}")

    def mac(self, text: str, kind: str) -> bytes:
        """Returns the same of what is hashed once, and so is not worth remembering."""
        return _keyed_hash(self._current_keys().hashing, f"{kind}:{text}")

    def _is_fresh(self) -> bool:
        return self._keys is not None and time.monotonic() < self._until

    def _current_keys(self) -> Keys:
        if self._keys is None:
            self.refresh()
        if self._keys is None:
            raise Unreadable("there are no keys")
        return self._keys

    def _newest(self) -> Keys:
        try:
            return self._load()
        except Unreadable:
            if self._keys is None:
                raise
            return self._keys

    def _cipher(self, key: int) -> AESGCMSIV | None:
        if self._keys is None or key not in self._ciphers:
            self._current_keys()
            with self._lock:
                if key not in self._ciphers:
                    self._take(self._load())
        return self._ciphers.get(key)

    def _take(self, keys: Keys) -> None:
        for key, octets in keys.data.items():
            self._ciphers.setdefault(key, AESGCMSIV(octets))
        self._keys = keys
        self._until = time.monotonic() + self._lasts


def _keyed_hash(key: bytes, text: str) -> bytes:
    return blake2b(_octets(text), digest_size=HASH_OCTETS, key=key).digest()


_hash = lru_cache(maxsize=KNOWN)(_keyed_hash)


def derived(secret: str, purpose: bytes) -> bytes:
    """Returns 32 octets for one purpose, derived from SMSGW_SECRET_KEY."""
    return HKDF(algorithm=SHA256(), length=KEY_OCTETS, salt=None, info=purpose).derive(
        secret.encode()
    )


def new_key() -> bytes:
    return os.urandom(KEY_OCTETS)


def _place(column: str, row: Sequence[Part]) -> bytes:
    return json_list([json_of(column), *map(json_of, row)]).encode()


def json_list(written: Iterable[str]) -> str:
    """Writes what is written as JSON in a list, as `json.dumps` would, which takes twice as
    long."""
    return f"[{', '.join(written)}]"


def json_of(part: Part) -> str:
    """Writes a value as `json.dumps` would; octets as hexadecimal digits, instants in UTC."""
    write = WRITERS.get(type(part))
    if write is not None:
        return write(part)
    return encode_basestring_ascii(part) if isinstance(part, str) else json.dumps(part)


@lru_cache  # most rows of a batch have the same
def _instant(at: datetime) -> str:
    return f'"{at.astimezone(UTC).isoformat()}"'


WRITERS: Mapping[type, Callable[[Any], str]] = {
    str: encode_basestring_ascii,
    bytes: lambda octets: f'"{octets.hex()}"',
    int: repr,
    type(None): lambda _: "null",
    datetime: _instant,
    date: lambda day: f'"{day.isoformat()}"',
}


def _octets(text: str) -> bytes:
    """Encodes a text. Half a surrogate pair is no UTF-8, but may be what somebody sent."""
    return text.encode("utf-8", "surrogatepass")
