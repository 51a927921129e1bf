"""Every conversation under tests/transcripts, as one test each."""

from pathlib import Path

import pytest

from smsgw import replay, transcript

FOLDER = Path(__file__).parent / "transcripts"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_step_agrees(path: Path) -> None:
    differing = [
        f"{step.conversation}, step {step.number}: {difference}"
        for step in replay.run(transcript.read(path))
        for difference in step.differs
    ]
    assert not differing, "\n".join(differing)
