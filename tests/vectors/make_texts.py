"""Makes 5,000 random texts, the same each time, of what replies, people and emoji keyboards
write."""

import json
import random
import sys
from collections.abc import Iterator

PARTS = [
    *"abcdefghijklmnopqrstuvwxyz ABC 0123456789 .,#*-/:?!@",
    *"éèàùìòñöäüÄÖÅåØøßÇ£¥§¿¡ΔΦΓΛΩ",
    *"{}[]~^|\\€\f",
    "\n",
    "\r\n",
]
COSTLY = [*"‘’“”–—…ç日本語йж", "😀", "👍🏽", "🇮🇩", "é", "×"]


def texts() -> Iterator[str]:
    chance = random.Random(38)
    for _ in range(5000):
        is_costly = chance.random() < 0.5
        letters = PARTS + COSTLY * 3 if is_costly else PARTS
        around = chance.choice([5, 67, 70, 134, 153, 160, 306, 320])
        length = max(0, around + chance.randint(-6, 6))
        yield "".join(chance.choice(letters) for _ in range(length))


if __name__ == "__main__":
    for text in texts():
        sys.stdout.write(json.dumps({"text": text}) + "\n")
