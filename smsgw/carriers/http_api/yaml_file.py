"""Reads the YAML file, and says by line and name what is wrong in it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from smsgw.carriers.http_api.definition import Definition
from smsgw.carriers.http_api.field_types import PlacedError

LONGEST = 100_000  # octets
NUMBERS = (":int", ":float")
A_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.(0|[0-9]*[1-9]))?")
VARIABLE = re.compile(r"\$\{(\w+)\}")
Place = tuple[int | str, ...]
PLAIN_WORDS = {
    "Field required": "is missing",
    "Extra inputs are not permitted": "is not known here; is it misspelt?",
    "Input should be a valid string": "is no text; put it in quotes",
    "Input should be a valid integer": "is no whole number",
    "Input should be a valid dictionary or instance": "has parts of its own",
}


@dataclass(frozen=True, slots=True)
class CarrierFile:
    path: Path
    definition: Definition
    variables: frozenset[str]  # of the environment, which it names

    def __str__(self) -> str:
        return str(self.path)


def load(path: Path, environ: Mapping[str, str]) -> CarrierFile:
    """Raises ValueError, whose text names every fault, one a line."""
    try:
        text = path.read_bytes()[:LONGEST].decode()
        plain, root = _parsed(text)
        found = [*_altered_numbers(root, ())]
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ValueError(f"{path}:{line}: {str(error.problem).splitlines()[0]}") from None
    except (YAMLError, RecursionError):
        raise ValueError(f"{path} is not YAML") from None
    if not isinstance(plain, dict) or root is None:
        raise ValueError(f"{path} is empty, or no mapping")
    try:
        definition = Definition.model_validate(plain, context=environ)
    except ValidationError as error:
        found += _faults(error, root)
    if found:
        raise ValueError("\n".join(f"{path}:{line}: {fault}" for line, fault in sorted(found)))
    return CarrierFile(path, definition, frozenset(VARIABLE.findall(text)))


def _parsed(text: str) -> tuple[object, Node | None]:
    return _yaml().load(text), _yaml().compose(text)


def _yaml() -> YAML:
    return YAML(typ="safe", pure=True)


def _altered_numbers(node: Node | None, place: Place) -> Iterator[tuple[int, str]]:
    """Yields the line and "place: fault" of each number that YAML does not keep as it is written,
    such as 0275 without quotes, which is 275."""
    if isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            yield from _altered_numbers(value, (*place, index))
    elif isinstance(node, MappingNode):
        for key, value in node.value:
            yield from _altered_numbers(value, (*place, str(key.value)))
    elif node and str(node.tag).endswith(NUMBERS) and not A_NUMBER.fullmatch(node.value):
        name, read = ".".join(str(part) for part in place), _yaml().load(node.value)
        line = node.start_mark.line + 1
        yield line, f"{name}: put {node.value} in quotes; YAML reads the number {read}"


def _faults(error: ValidationError, root: Node) -> Iterator[tuple[int, str]]:
    """Yields the line and "place: fault" of each fault."""
    for fault in error.errors():
        deeper = fault.get("ctx", {}).get("error")
        place = fault["loc"] + (deeper.place if isinstance(deeper, PlacedError) else ())
        message = fault["msg"].removeprefix("Value error, ")
        for theirs, ours in PLAIN_WORDS.items():
            message = ours if message.startswith(theirs) else message
        name = ".".join(str(part) for part in place)
        yield _line(root, place), f"{name}: {message}" if name else message


def _line(root: Node, place: Place) -> int:
    """Returns the line of the key, or of what would hold it."""
    node, line = root, root.start_mark.line
    for part in place:
        found = _child(node, part)
        if found is None:
            break
        node, line = found
    return int(line) + 1


def _child(node: Node, part: int | str) -> tuple[Node, int] | None:
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part].start_mark.line
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return value, key.start_mark.line
    return None
