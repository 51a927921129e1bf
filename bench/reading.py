"""Measures how many messages a second one core reads, and what hostile text costs.

Figures are of this machine; what is promised is a ratio: 1,600 hostile characters cost at most six
times what 400 do, and what lies beyond 1,600 costs nothing.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from grammar import MAX_CHARACTERS
from smsgw.configuration import compiler
from smsgw.transcripts import reader

HOSTILE = {
    "digits": "1",
    "digit groups": "12 ",
    "dates": "31.12.",
    "separators": "#",
    "slots half right": "1901234567-",
    "labels": "NO KTP ",
    "keywords": "SALDO ",
    "mails": "a.b@",
    "letters": "X",
    "spaced letters": "S A L D O ",
    "marks": "é̀",
    "emoji": "👍🏽",
    "zero width": "\u200b1",
    "brackets": "(<[",
}
RATIO = 6.0


def seconds(run: Callable[[], object], least: float = 0.05) -> float:
    """Returns the seconds of one run: the best of five rounds, each at least `least` seconds
    long."""
    best, number = float("inf"), 1
    for _ in range(5):
        while True:
            started = time.perf_counter()
            for _ in range(number):
                run()
            took = time.perf_counter() - started
            if took >= least:
                break
            number *= 2
        best = min(best, took / number)
    return best


def messages() -> list[str]:
    return [
        step.text
        for path in sorted(Path("tests/transcripts").glob("*.yaml"))
        for conversation in reader.read(path).transcript.conversations
        for step in conversation.steps
        if step.text
    ]


def main() -> None:
    parse = compiler.load_shipped().grammar.parse
    texts = messages()
    rate = len(texts) / seconds(lambda: [parse(text) for text in texts])
    print(f"{len(texts)} messages of the transcripts: {rate:,.0f} a second on one core")
    worst = 0.0
    for name, part in HOSTILE.items():
        short, long, beyond = (
            (("DAFTAR SALDO#" + part * size)[:size] + "#") for size in (400, MAX_CHARACTERS, 16_000)
        )
        cost = [seconds(lambda text=text: parse(text)) for text in (short, long, beyond)]
        worst = max(worst, cost[1] / cost[0])
        print(
            f"{name:16} {cost[1] * 1000:6.2f} ms for {MAX_CHARACTERS}, "
            f"{cost[1] / cost[0]:.1f} times 400's; {cost[2] * 1000:.2f} ms for 16,000"
        )
    if worst > RATIO:
        sys.exit(f"the worst costs {worst:.1f} times as much, at most {RATIO} is promised")


main()
