"""Checks what the linter says of concepts, topics and answer words."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from smsgw.configuration import document, lint

Raw = dict[str, Any]
PARKING = {
    "means": "KONTAK",
    "needs": ["PARKING"],
    "hit": "parkiran di situ ada ga ya",
    "miss": "kantin di situ ada ga ya",
}


def edited(change: Callable[[Raw], object]) -> lint.Findings:
    raw = deepcopy(document.shipped_raw())
    change(raw)
    return lint.of(raw)


def with_parking(**change: Any) -> lint.Findings:
    """Checks a document with one more topic, of a concept that nothing else uses."""

    def add(raw: Raw) -> None:
        raw["concepts"]["PARKING"] = ["PARKIR", "PARKIRAN"]
        raw["topics"]["parking"] = {**PARKING, **change}

    return edited(add)


def test_the_shipped_topics_have_neither_faults_nor_warnings() -> None:
    found = edited(lambda raw: None)
    assert found.faults == []
    assert [each for each in found.warnings if each.startswith(("topics", "concepts"))] == []


def test_a_topic_of_an_operator_has_no_faults() -> None:
    assert with_parking().faults == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"needs": ["PARKIR"]}, "topics.parking: there is no concept PARKIR"),
        ({"any": ["NOPE"]}, "topics.parking: there is no concept NOPE"),
        ({"without": ["NOPE"]}, "topics.parking: there is no concept NOPE"),
        ({"means": "PARKIR"}, "topics.parking: it means PARKIR, which no keyword answers to"),
        ({"means": "bara saldo"}, "it means bara saldo, which no keyword answers to"),
        ({"means": "YA"}, "topics.parking: it means YA, which answers a question"),
        ({"means": "TIDAK"}, "topics.parking: it means TIDAK, which answers a question"),
        ({"means": "KODE"}, "topics.parking: it means KODE, which answers a question"),
        (
            {"hit": "kantin di situ ada ga"},
            "topics.parking: it does not answer its example 'kantin di situ ada ga', which is "
            "read as nothing",
        ),
        ({"hit": "bara saldo ambo kini da"}, "which is read as topic balance"),
        ({"hit": "kantor dekat parkiran"}, "which is read as keyword kantor"),
        ({"hit": "makasih"}, "which is read as thanks"),
        (
            {"miss": "pak parkiran di situ ada ga ya"},
            "topics.parking: it answers 'pak parkiran di situ ada ga ya', the example that",
        ),
        ({"needs": []}, "topics.parking.needs"),
    ],
)
def test_a_fault_of_a_topic_says_what_is_wrong(change: Raw, fault: str) -> None:
    found = with_parking(**change).faults
    assert any(fault in each for each in found), found


def test_a_message_that_lacks_only_a_value_can_be_meant() -> None:
    assert with_parking(means="LAPOR").faults == []


@pytest.mark.parametrize(
    ("concepts", "fault"),
    [
        ({"JHT": ["SATU DUA TIGA EMPAT LIMA"]}, "concepts.JHT: 'SATU DUA TIGA EMPAT LIMA'"),
        ({"JHT": ["JHT", ""]}, "concepts.JHT: ''"),
        ({"JHT": ["JHT", "123"]}, "concepts.JHT: '123'"),
        ({"bad name": ["JHT"]}, "concepts.bad name: its name is"),
        ({"JHT": ["<NOTT> JHT"]}, "concepts.JHT: '<NOTT> JHT': there is no concept NOTT"),
    ],
)
def test_a_fault_of_a_concept_names_the_word(concepts: Raw, fault: str) -> None:
    found = edited(lambda raw: raw["concepts"].update(concepts)).faults
    assert any(fault in each for each in found), found


def test_a_topic_that_cannot_be_in_an_address_is_a_fault() -> None:
    found = edited(lambda raw: raw["topics"].update({"A topic": PARKING})).faults
    assert any("topics.A topic: its name is" in each for each in found), found


def test_a_concept_that_belongs_to_nobody_is_a_fault() -> None:
    found = edited(lambda raw: raw["unrelated"]["unless"].append("NOPE")).faults
    assert "unrelated.unless: there is no concept NOPE" in found


@pytest.mark.parametrize("group", ["yes", "no", "unsure"])
def test_a_filler_that_answers_is_a_fault(group: str) -> None:
    found = edited(lambda raw: raw["answers"][group].append("TOLONG")).faults
    assert [
        each for each in found if each.startswith(f"fillers: TOLONG is an answer too ({group})")
    ]


@pytest.mark.parametrize("keyword", ["ya", "tidak"])
def test_a_filler_that_is_an_alias_of_an_answer_is_a_fault(keyword: str) -> None:
    alias = "GAK" if keyword == "tidak" else "IYO"
    found = edited(lambda raw: raw["fillers"].append(alias)).faults
    assert any(each.startswith(f"fillers: {alias} is an answer too") for each in found), found


def test_a_phrase_that_says_yes_and_no_is_a_fault() -> None:
    found = edited(lambda raw: raw["answers"]["no"].append("SATUJU")).faults
    assert "answers: SATUJU says no and yes; leave it in one list" in found
    found = edited(lambda raw: raw["answers"]["yes"].append("GAK JADI")).faults
    assert "answers: GAK JADI says no and yes; leave it in one list" in found


def test_a_word_for_two_letters_is_a_fault() -> None:
    found = edited(lambda raw: raw["answers"]["letters"]["B"].append("SATU")).faults
    assert "answers.letters: SATU stands for A and for B" in found


def test_a_concept_that_no_topic_uses_is_a_warning() -> None:
    found = edited(lambda raw: raw["concepts"].update({"PARKING": ["PARKIR"]}))
    assert (found.faults, found.warnings[-1]) == ([], "concepts.PARKING: no topic uses it")


@pytest.mark.parametrize(
    ("earlier", "later", "is_reached"),
    [
        ({}, {"needs": ["PARKING", "JHT"]}, False),
        ({"any": ["JHT", "JP"]}, {"needs": ["PARKING", "JHT"]}, False),
        ({"any": ["JHT", "JP"]}, {"any": ["JHT"]}, False),
        ({"any": ["JHT"]}, {"any": ["JHT", "JP"]}, True),
        ({"without": ["JP"]}, {"needs": ["PARKING", "JHT"]}, True),
        ({"without": ["JP"]}, {"needs": ["PARKING", "JHT"], "without": ["JP", "JKK"]}, False),
        ({"needs": ["PARKING", "JP"]}, {"needs": ["PARKING", "JHT"]}, True),
    ],
)
def test_a_topic_that_is_never_reached_is_a_warning(
    earlier: Raw, later: Raw, is_reached: bool
) -> None:
    def add(raw: Raw) -> None:
        raw["concepts"]["PARKING"] = ["PARKIR", "PARKIRAN"]
        raw["topics"] |= {"one": {**PARKING, **earlier}, "other": {**PARKING, **later}}

    warning = "topics.other: it is never reached: one comes before it and fits whatever it fits"
    assert (warning not in edited(add).warnings) == is_reached
