"""`smsgw parse` and `smsgw segments`: tell what a text means and what it costs. No database is
opened."""

import json
import sys
from collections.abc import Iterator
from datetime import date

import click

from grammar import Command, Misread
from smsgw import gsm7
from smsgw.configuration import compiler


@click.command()
@click.option("--json", "as_json", is_flag=True, help='Read {"text": …} a line, write JSON.')
def parse(as_json: bool) -> None:
    """Read each line of standard input: its keyword and fields, or what is wrong."""
    grammar = compiler.load_shipped().grammar
    out = sys.stdout  # click.echo flushes after every line
    for text in _texts(as_json):
        read = _as_object(grammar.parse(text))
        out.write((json.dumps(read) if as_json else _line(read)) + "\n")


@click.command()
@click.option("--json", "as_json", is_flag=True, help='Read {"text": …} a line, write JSON.')
def segments(as_json: bool) -> None:
    """Count the segments of each text on standard input, as they are given."""
    out = sys.stdout
    for text in _texts(as_json):
        count = gsm7.count(text)
        shown = {"encoding": count.encoding, "segments": count.segments, "units": count.units}
        out.write((json.dumps(shown) if as_json else _line(shown)) + "\n")


def _texts(as_json: bool) -> Iterator[str]:
    with click.open_file("-", encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            yield _text(line, number) if as_json else line.rstrip("\n")


def _text(line: str, number: int) -> str:
    try:
        text = json.loads(line)["text"]
    except (ValueError, KeyError, TypeError, RecursionError):
        text = None
    if not isinstance(text, str):
        raise click.ClickException(f'line {number}: expected an object such as {{"text": "SALDO"}}')
    return text


def _as_object(parsed: Command | Misread) -> dict[str, object]:
    if isinstance(parsed, Command):
        return {
            "keyword": parsed.keyword,
            "fields": {k: _plain(v) for k, v in parsed.fields.items()},
        }
    return {
        "keyword": parsed.keyword,
        "reason": parsed.reason,
        "slot": parsed.slot,
        "read": parsed.read,
        "needed": parsed.needed,
    }


def _plain(value: str | date) -> str:
    return value.isoformat() if isinstance(value, date) else value


def _line(fields: dict[str, object]) -> str:
    return "  ".join(f"{name}={value}" for name, value in fields.items() if value not in (None, {}))
