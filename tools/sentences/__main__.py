"""Runs `python -m tools.sentences`."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click
import yaml

from smsgw.configuration import validation
from smsgw.configuration.document import Document, shipped_text
from tools.sentences.coverage import Reader, unnoticed, unnoticed_topics
from tools.sentences.proposals import Proposer
from tools.sentences.word_lists import Listed, without, words_in

FILE = Path(__file__).resolve().parents[2] / "tests" / "grammar" / "sentences.yaml"
HEADER = """\
# Sentences and answers as people write them, by what is understood. A question mark is asked first.
# Tests ask that each is understood so, and that each word of keywords.yaml by which sentences and
# answers are read is needed by one of these. `python -m tools.sentences` names those that are not,
# and with --write adds a sentence for each.
"""
WIDTH = 120


def read(file: Path = FILE) -> dict[str, list[str]]:
    """Returns sentences by what is understood."""
    return yaml.load(file.read_text("utf-8"), yaml.CSafeLoader) or {}


def examples() -> list[str]:
    """Returns what the topics must answer and must not."""
    topics = yaml.load(shipped_text(), yaml.CSafeLoader)["topics"].values()
    return [topic[name] for name in ("hit", "miss") for topic in topics]


def write(sentences: Iterable[str], document: Document, file: Path = FILE) -> None:
    """Writes the sentences by what is understood now."""
    reader = Reader(document)
    by_meaning = defaultdict(list)
    for text in dict.fromkeys(sentences):
        by_meaning[reader.read(text)].append(text)
    listed = yaml.safe_dump(
        {meaning: sorted(each) for meaning, each in sorted(by_meaning.items())},
        allow_unicode=True,
        width=WIDTH,
        default_flow_style=None,
        sort_keys=False,
    )
    file.write_text(HEADER + listed, "utf-8")


def moved(by_meaning: Mapping[str, Iterable[str]], document: Document) -> Iterator[str]:
    """Yields what is understood in another way than the file says."""
    reader = Reader(document)
    for meaning, listed in by_meaning.items():
        for text in listed:
            if (now := reader.read(text)) != meaning:
                yield f"{text}: {now}, not {meaning}"


def complete(
    document: Document, sentences: Sequence[str]
) -> tuple[dict[Listed, str], list[Listed]]:
    """Returns a sentence for each word that no sentence needs, and the words without any: all of
    these can go at once."""
    lacking = unnoticed(document, words_in(document.words), [*examples(), *sentences])
    proposer = Proposer(document, sentences, examples())
    proposed = {each: proposer.propose(each) for each in lacking}
    needless: list[Listed] = []
    for each in sorted(lacking, key=lambda one: -len(one.word)):
        if proposed[each] is None:
            left = replace(document, words=without(document.words, needless))
            if Proposer(left, sentences, examples()).propose(each) is None:
                needless.append(each)
    return {each: text for each, text in proposed.items() if text}, needless


@click.command(help="Names the words of keywords.yaml that no sentence needs.")
@click.option("--write", "is_written", is_flag=True, help="Add a sentence for each.")
def main(is_written: bool) -> None:
    document = validation.load_shipped()
    by_meaning = read() if FILE.exists() else {}
    for line in moved(by_meaning, document):
        click.echo(line, err=True)
    sentences = [text for listed in by_meaning.values() for text in listed]
    proposed, needless = complete(document, sentences)
    for each, text in proposed.items():
        click.echo(f"{each}: {text}")
    sentences += proposed.values()
    for each in sorted(needless, key=str):
        click.echo(f"{each}: nothing changes without it; remove it", err=True)
    proposer = Proposer(document, sentences, examples())
    needless_topics = unnoticed_topics(document, [*examples(), *sentences])
    for topic in (each for each in document.words.topics if each.name in needless_topics):
        said = proposer.propose_for_topic(topic)
        sentences += [said] if said else []
        told = said or "nothing changes without it; remove it"
        click.echo(f"topics.{topic.name}: {told}", err=said is None)
    if is_written:
        write(sentences, document)


if __name__ == "__main__":
    main()
