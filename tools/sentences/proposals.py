"""Proposes a sentence for a word that no sentence needs: one in which another word of its list
stands, with the word in its place."""

from collections.abc import Iterator, Sequence
from itertools import islice, product
from zlib import crc32

from grammar import Topic
from grammar.compiled import WORDS
from grammar.concepts import ConceptReader
from grammar.normalise import normalise
from smsgw.configuration.document import Document
from tools.sentences.coverage import Reader
from tools.sentences.word_lists import Listed, without, without_topic

# What stands around a word that is not replaced. Names and towns are words that nobody lists: of a
# few words in all, one more is too many.
AROUND = {
    "function_words": [
        "jam buka {} kantor bekasi",
        "jam buka kantor bekasi {}",
        "jam buka kantor {} bekasi",
        "iuran {} budi bekasi",
        "klaim {} budi bekasi",
        "total saldo sy {} budi bekasi",
        "sy nunggak ga {} budi bekasi",
    ],
    "unrelated": [
        "saldo {} berapa",
        "total {} saya brp",
        "bayar {} bulan ini",
        "{} masih aktif ga",
        "cara daftar {} gmn",
    ],
    "with_courtesy": ["makasih {}", "terima kasih {} ya", "{} makasih"],
    "answers.yes": ["{}", "{} pak", "{} lanjut"],
    "answers.no": ["{}", "{} pak", "pak {} ah", "{} deh"],
    "answers.unsure": ["{}", "{} pak", "{} kok", "{} lah", "{} dulu", "{} saja"],
    "answers.with_yes": ["setuju {}", "muhun {}", "ya {}", "{} setuju", "leres {}"],
    "answers.with_no": ["gak {}", "moh {}", "tidak {}", "ora {}", "{} gak", "jangan {}", "no {}"],
    "answers.with_choice": ["{} b", "yg {} b", "b {}"],
    "answers.letters": ["{}", "yg {}", "pilih {}"],
    "answers.signs": ["{}"],
    "concepts": ["{}", "{} ga", "{} bpjs", "iuran {} budi bekasi", "klaim {} budi bekasi"],
}
OTHERS = 4  # words of each other concept that are tried beside it
MOST_PAIRED = 60  # sentences of words of a topic


class Proposer:
    def __init__(self, document: Document, sentences: Sequence[str], hits: Sequence[str]) -> None:
        """Takes the examples of the topics, and the sentences that there are."""
        self._document = document
        self._usual = Reader(document)
        self._concepts = ConceptReader(document.words.concepts)
        self._bases = list(dict.fromkeys([*hits, *sentences]))

    def propose(self, listed: Listed) -> str | None:
        """Returns a sentence that is read in another way without the word; one whose meaning the
        word keeps, if there is one."""
        reader = Reader(self._document, without(self._document.words, [listed]))
        second = None
        for sentence, base in self._candidates(listed):
            meant = self._usual.read(sentence)
            if reader.read(sentence) == meant:
                continue
            if base is None or self._usual.read(base) == meant:
                return sentence
            second = second or sentence
        return second

    def propose_for_topic(self, topic: Topic) -> str | None:
        """Returns a few words that are read in another way without the topic."""
        words = self._document.words
        reader = Reader(self._document, without_topic(words, topic.name))
        for concept in topic.needs:
            for word in words.concepts[concept]:
                for said in islice(self._pairs(topic, concept, word.lower()), MOST_PAIRED):
                    if reader.read(said) != self._usual.read(said):
                        return said
        return None

    def _candidates(self, listed: Listed) -> Iterator[tuple[str, str | None]]:
        """Yields sentences with the word, each with one that means the same."""
        place, _, concept = listed.place.partition(".")
        word = listed.word.lower()
        if place == "concepts":
            yield from self._in_place(concept, word)
            yield from ((each, None) for each in self._paired(concept, word))
        name = "answers.letters" if listed.place.startswith("answers.letters") else listed.place
        around = AROUND.get(name) or AROUND[place]
        turn = crc32(word.encode()) % len(around) if place == "function_words" else 0
        yield from ((each.format(word), None) for each in (*around[turn:], *around[:turn]))
        if place == "concepts":
            yield from ((f"{base} {word}", None) for base in self._bases)

    def _paired(self, concept: str, word: str) -> Iterator[str]:
        """Yields the word among a few words of the other concepts of a topic."""
        for topic in self._document.words.topics:
            yield from islice(self._pairs(topic, concept, word), MOST_PAIRED)

    def _pairs(self, topic: Topic, concept: str, word: str) -> Iterator[str]:
        needs = set(topic.needs) - {concept}
        if concept in topic.needs:
            wanted = [[*needs, each] for each in topic.any] or [[*needs]]
        elif concept in topic.any:
            wanted = [[*needs]]
        elif concept in topic.without:
            wanted = [[*needs, each] for each in topic.any] or [[*needs]]
        else:
            return
        for names in wanted:
            lists = [self._document.words.concepts[name][:OTHERS] for name in names]
            for others in islice(product(*lists), MOST_PAIRED // len(wanted) or 1):
                said = " ".join(others).lower()
                yield from (f"{said} {word}".strip(), f"{word} {said}".strip())

    def _in_place(self, concept: str, word: str) -> Iterator[tuple[str, str]]:
        """Yields sentences in which the word stands for another of its concept, or of one that a
        topic takes as well."""
        instead = {concept}
        for base in self._bases:
            yield from self._replaced(base, instead, word)
        for topic in self._document.words.topics:
            instead = {*topic.any} if concept in topic.any else set()
            for base in self._bases if instead else ():
                yield from self._replaced(base, instead, word)

    def _replaced(self, base: str, concepts: set[str], word: str) -> Iterator[tuple[str, str]]:
        words = WORDS.findall(normalise(base))
        found = self._concepts.read(words)
        taken = set().union(*(found.get(name, set()) for name in concepts))
        if taken:
            first = min(taken)
            written = [word if at == first else each.lower() for at, each in enumerate(words)]
            kept = [each for at, each in enumerate(written) if at == first or at not in taken]
            yield " ".join(kept), base
