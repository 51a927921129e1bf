"""Every conversation under tests/transcripts, as one test each."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from smsgw.transcripts import collection, report, runner
from smsgw.transcripts.collection import Played
from smsgw.transcripts.reader import Document
from smsgw.transcripts.world import World, prepared

FOLDER = Path(__file__).parent / "transcripts"


@cache
def documents() -> list[Document]:
    return collection.read(collection.files([FOLDER]))


def conversations() -> list[pytest.param]:
    return [
        pytest.param(document, index, id=f"{Path(document.name).stem}: {conversation.name}")
        for document in documents()
        for index, conversation in enumerate(document.transcript.conversations)
    ]


@pytest.fixture(scope="module")
def worlds() -> Iterator[Callable[[Document], World]]:
    """Each is prepared once; every conversation begins with a copy."""
    made: dict[str, World] = {}
    with ExitStack() as stack:

        def world(document: Document) -> World:
            if document.name not in made:
                made[document.name] = stack.enter_context(prepared(document))
            return made[document.name]

        yield world


@pytest.mark.parametrize(("document", "index"), conversations())
def test_every_step_agrees(
    document: Document, index: int, worlds: Callable[[Document], World]
) -> None:
    conversation = document.transcript.conversations[index]
    results = list(runner.play(worlds(document), conversation, index))
    played = Played(document, index, results)
    assert played.agrees, "\n" + "\n".join(report.lines(played))
