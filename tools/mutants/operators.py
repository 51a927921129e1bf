"""Changes one node of a syntax tree.

Each operator takes a node and yields (kind, what stands instead, description). A node that stands
instead may share parts with the one it replaces; nothing in a tree is changed by an operator.
"""

import ast
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

Change = tuple[str, ast.AST, str]
Row = ast.Tuple | ast.List | ast.Set
Node = TypeVar("Node", bound=ast.AST)
Part = TypeVar("Part")

TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
# Turning one of these is all that negating it could do.
NEGATED_BY_TURNING = (ast.Eq, ast.NotEq, ast.In, ast.NotIn, ast.Is, ast.IsNot)
CONDITIONS = {"where", "having", "filter"}  # methods whose arguments are conditions, all of them
ANY_ORDER = ("select", "group_by")  # calls whose arguments may stand in any order
WIDEST = 70  # characters of a description


def text(node: ast.AST) -> str:
    """Writes a node on one line, shortened."""
    written = " ".join(ast.unparse(node).split())
    return written if len(written) <= WIDEST else f"{written[: WIDEST - 1]}…"


def comparison(node: ast.AST) -> Iterator[Change]:
    if not isinstance(node, ast.Compare):
        return
    for index, operator in enumerate(node.ops):
        turned = TURNED[type(operator)]()
        ops = [*node.ops[:index], turned, *node.ops[index + 1 :]]
        changed = _with(node, ops=ops)
        yield "comparison", changed, f"{text(node)} -> {text(changed)}"


def compared(node: ast.AST) -> Iterator[Change]:
    """Yields `said == (nik, birth_date)` without one of them, on both sides."""
    match node:
        case ast.Compare(left, [ast.Eq()], [ast.Tuple(elts=parts)]) if len(parts) > 1:
            for index, part in enumerate(parts):
                others = f"[n for i, n in enumerate({ast.unparse(left)}) if i != {index}]"
                rest = ast.List(_without(parts, index), ast.Load())
                changed = ast.Compare(ast.parse(others, mode="eval").body, [ast.Eq()], [rest])
                yield "compared", changed, f"{text(node)} -> {text(part)} is not compared"


def number(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Constant(int() | float() as value) if not isinstance(value, bool):
            for step in (1, -1) if value else (1,):
                yield "number", ast.Constant(value + step), f"{value} -> {value + step}"


def junction(node: ast.AST) -> Iterator[Change]:
    """Exchanges `and` and `or`."""
    if isinstance(node, ast.BoolOp):
        changed = _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
        yield "junction", changed, f"{text(node)} -> {text(changed)}"


def negation(node: ast.AST) -> Iterator[Change]:
    """Yields a condition turned round, unless it begins with `not` (see `inversion`)."""
    if not isinstance(node, ast.If | ast.While | ast.IfExp):
        return
    test = node.test
    is_turned = isinstance(test, ast.Compare) and isinstance(test.ops[0], NEGATED_BY_TURNING)
    if is_turned or isinstance(test, ast.UnaryOp):
        return
    changed = _with(node, test=ast.UnaryOp(ast.Not(), test))
    yield "negation", changed, f"{text(test)} -> not ({text(test)})"


def inversion(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.UnaryOp(ast.Not(), operand):
            yield "inversion", operand, f"{text(node)} -> {text(operand)}"


def check(node: ast.AST) -> Iterator[Change]:
    """Yields an `if` without an `else` dropped, also in a comprehension, and a case of a `match`
    that returns."""
    if isinstance(node, ast.If) and not node.orelse:
        yield "check", ast.Pass(), f"if {text(node.test)}: … -> dropped"
    if isinstance(node, ast.comprehension):
        for index, test in enumerate(node.ifs):
            changed = _with(node, ifs=_without(node.ifs, index))
            yield "check", changed, f"if {text(test)} -> dropped"
    if isinstance(node, ast.Match):
        for index, case in enumerate(node.cases[:-1]):
            if isinstance(case.body[-1], ast.Return):
                cases = _without(node.cases, index)
                yield "check", _with(node, cases=cases), f"case {text(case.pattern)} -> dropped"


def statement(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.AugAssign() | ast.Expr(ast.Call()):
            yield "statement", ast.Pass(), f"{text(node)} -> dropped"


def element(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, Row):
        for index, part in enumerate(node.elts):
            elts = _without(node.elts, index)
            is_empty_set = isinstance(node, ast.Set) and not elts
            instead = _empty_set() if is_empty_set else _with(node, elts=elts)
            yield "element", instead, f"{text(part)} of {text(node)} -> dropped"
    if isinstance(node, ast.Dict):
        for index, key in enumerate(node.keys):
            keys, values = _without(node.keys, index), _without(node.values, index)
            shown = text(key) if key else f"**{text(node.values[index])}"
            yield "element", ast.Dict(keys, values), f"{shown} of {text(node)} -> dropped"


def condition(node: ast.AST) -> Iterator[Change]:
    """Leaves out one of the conditions of a query."""
    match node:
        case ast.Call(ast.Attribute(attr=name), args) if name in CONDITIONS:
            for index, arg in enumerate(args):
                changed = _with(node, args=_without(args, index))
                yield "condition", changed, f"{name}({text(arg)}) -> dropped"
        case ast.BinOp(left, ast.BitAnd(), right):
            yield "condition", left, f"& {text(right)} -> dropped"
            yield "condition", right, f"{text(left)} & -> dropped"


def truth(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Constant(bool() as value):
            yield "truth", ast.Constant(not value), f"{value} -> {not value}"


def slices(node: ast.AST) -> Iterator[Change]:
    """Changes `number[-4:]` to `number`: what was masked is shown."""
    match node:
        case ast.Subscript(whole, ast.Slice()):
            yield "slice", whole, f"{text(node)} -> {text(whole)}"


def exchange(node: ast.AST) -> Iterator[Change]:
    """Yields neighbours of one kind in the other order: `held.contributions` and `held.returns`."""
    if isinstance(node, ast.Dict):
        for index, (one, other) in _neighbours(node.values):
            values = _exchanged(node.values, index)
            yield "exchange", _with(node, values=values), f"{text(one)} <-> {text(other)}"
    if isinstance(node, ast.Call) and not text(node.func).endswith(ANY_ORDER):
        for index, (one, other) in _neighbours(node.args):
            args = _exchanged(node.args, index)
            yield "exchange", _with(node, args=args), f"{text(one)} <-> {text(other)}"


Operator = Callable[[ast.AST], Iterator[Change]]
OPERATORS: tuple[Operator, ...] = (
    comparison,
    compared,
    number,
    junction,
    negation,
    inversion,
    check,
    statement,
    element,
    condition,
    truth,
    slices,
    exchange,
)


def _with(node: Node, **fields: object) -> Node:
    """Copies a node and replaces these parts."""
    changed = type(node)(**{**dict(ast.iter_fields(node)), **fields})
    return ast.copy_location(changed, node)


def _without(parts: Sequence[Part], index: int) -> list[Part]:
    return [*parts[:index], *parts[index + 1 :]]


def _neighbours(parts: list[ast.expr]) -> Iterator[tuple[int, tuple[ast.expr, ast.expr]]]:
    """Yields pairs of attributes of the same thing, or of rows, with the index of the first."""
    for index, pair in enumerate(pairwise(parts)):
        match pair:
            case ast.Attribute(one), ast.Attribute(other) if ast.dump(one) == ast.dump(other):
                yield index, pair
            case ast.Tuple(), ast.Tuple():
                yield index, pair


def _exchanged(parts: list[ast.expr], index: int) -> list[ast.expr]:
    return [*parts[:index], parts[index + 1], parts[index], *parts[index + 2 :]]


def _empty_set() -> ast.expr:
    return ast.Call(ast.Name("set", ast.Load()), [], [])
