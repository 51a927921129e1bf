"""Translates the console into Indonesian: pages are written in English, and looked up."""

from collections.abc import Mapping
from functools import cache
from importlib import resources

import yaml

LANGUAGES = ("id", "en")


def translate(text: str, language: str, **values: object) -> str:
    """Translates `text` into that language; {names} in it are filled in afterwards."""
    translation = indonesian().get(text, text) if language == "id" else text
    return translation.format(**values) if values else translation


@cache
def indonesian() -> Mapping[str, str]:
    """Returns the translations by their English text."""
    file = resources.files("smsgw.console").joinpath("locale/id.yaml")
    found: Mapping[str, str] = yaml.load(file.read_text("utf-8"), yaml.CSafeLoader)
    return found
