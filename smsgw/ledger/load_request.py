"""Defines what an import is asked to do, and what it reports."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class LoadRequest:
    files: Mapping[str, Path]  # those that are present, by the name of their table
    replace: bool = False  # deletes what a file no longer holds
    since: date | None = None  # leaves out rows that are older
    progress: Callable[[int], object] = lambda octets: None  # told how many were read since
    begin_step: Callable[[str], object] = lambda name: None  # told what takes time besides


class LoadResult(NamedTuple):
    rows: int  # that were loaded, whether or not they said anything new
    deleted: int = 0
    rejected: int = 0
