"""Merges documents three ways."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from smsgw.configuration.document import RawDocument

MISSING = object()  # where one of two has a key and the other has not


@dataclass(frozen=True, slots=True)
class MergeResult:
    raw: RawDocument
    clashes: Sequence[str]  # places, by their keys


def merge(base: RawDocument, theirs: RawDocument, ours: RawDocument) -> MergeResult:
    """Merges both changes of `base`; ours wins a conflict."""
    clashes: list[str] = []
    return MergeResult(_merge((base, theirs, ours), (), clashes), clashes)


def _merge(three: tuple[Any, Any, Any], place: tuple[str, ...], clashes: list[str]) -> Any:
    base, theirs, ours = three
    if ours in (base, theirs):
        return theirs
    if theirs == base:
        return ours
    if all(isinstance(each, dict) for each in three):
        merged_part = {
            key: _merge(
                (base.get(key, MISSING), theirs.get(key, MISSING), ours.get(key, MISSING)),
                (*place, str(key)),
                clashes,
            )
            for key in dict.fromkeys((*theirs, *ours))
        }
        return {key: value for key, value in merged_part.items() if value is not MISSING}
    if all(isinstance(each, list) for each in three):
        return [each for each in theirs if each in ours or each not in base] + [
            each for each in ours if each not in theirs and each not in base
        ]
    clashes.append(".".join(place))
    return ours
