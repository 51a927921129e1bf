"""Answers INFO JHT: explains a topic in one SMS, with the rates in force today."""

from handlers.placeholders import percent, rupiah
from handlers.ports import Rate
from handlers.question import Outcome, Question, Reply
from handlers.values import Percent, Value

# Value in a wording -> programme, category and item in the ledger.
RATES = {
    "jht_employer": ("JHT", "PU", "employer"),
    "jht_worker": ("JHT", "PU", "worker"),
    "jp_employer": ("JP", "PU", "employer"),
    "jp_worker": ("JP", "PU", "worker"),
    "jp_cap": ("JP", "PU", "wage_cap"),
    "jkm_employer": ("JKM", "PU", "employer"),
    "jkk_lowest": ("JKK", "PU", "risk_1"),
    "jkk_highest": ("JKK", "PU", "risk_5"),
    "bpu": ("JKK+JKM", "BPU", "lowest"),
}
TOPICS = (
    "jht",
    "jkk",
    "jkm",
    "jp",
    "jkp",
    "rates",
    "leaving",
    "accident",
    "death",
    "fraud",
    "card",
    "number",
    "account",
    "correct",
    "merge",
    "partial",
    "enrol",
    "cost",
    "programmes",
)
WORDINGS = {"topics": (), **{topic: tuple(RATES) for topic in TOPICS}}
PLACEHOLDERS = {
    "jht_employer": percent("3.7"),
    "jht_worker": percent("2"),
    "jp_employer": percent("2"),
    "jp_worker": percent("1"),
    "jp_cap": rupiah(10_547_400, most=2**40),
    "jkm_employer": percent("0.3"),
    "jkk_lowest": percent("0.24"),
    "jkk_highest": percent("1.74"),
    "bpu": rupiah(16_800, most=2**40),
}


def answer(question: Question) -> Reply:
    topic = question.text("topic")
    if topic not in TOPICS:
        return Reply(Outcome.ANSWERED, "info.topics")
    return Reply(Outcome.ANSWERED, f"info.{topic}", _rates(question))


def _rates(question: Question) -> dict[str, Value]:
    in_force: dict[tuple[str, str, str], Rate] = {
        (rate.program, rate.category, rate.item): rate
        for rate in question.ledger.rates()
        if rate.effective_from <= question.today
    }
    return {name: _value(in_force.get(key)) for name, key in RATES.items()}


def _value(rate: Rate | None) -> Value:
    if rate is None:
        return None
    return Percent(rate.value) if rate.unit == "percent" else rate.value
