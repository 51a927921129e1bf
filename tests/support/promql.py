"""Reads queries in PromQL: which figures they name, and whether they stay right when several web
processes tell the same figures."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

import promql_parser

OF_A_PROCESS = {"up"}  # what Prometheus tells of each that it scrapes
FROM_PROMETHEUS = {"instance", "job"}


@dataclass(frozen=True)
class Selector:
    """Holds what a query selects, and its innermost aggregation where there is one."""

    name: str
    matched: Mapping[str, bool]  # label: whether it is one value
    operation: str = ""  # of the aggregation
    by: Set[str] = frozenset()
    is_summed: bool = False

    def faults(self, metrics: Mapping[str, Set[str]]) -> Iterator[str]:
        """Yields what is wrong, given the labels of each figure."""
        if self.name not in metrics:
            yield f"{self.name} does not exist"
            return
        labels = metrics[self.name]
        for label in sorted((self.matched.keys() | self.by) - labels - FROM_PROMETHEUS):
            yield f"{self.name} has no label {label}"
        if self.name in OF_A_PROCESS:
            return
        if self.operation not in {"max", "min"} or self.by & FROM_PROMETHEUS:
            yield f"{self.name} is told by each process: it needs max or min by its own labels"
        fixed = {label for label, is_one_value in self.matched.items() if is_one_value}
        lost = labels - self.by - fixed
        if self.is_summed and lost:
            yield f"{self.name} is summed after a maximum over {', '.join(sorted(lost))}"


def selectors(query: str) -> list[Selector]:
    """Returns what a query selects. Raises ValueError where it is none."""
    return list(_selectors(promql_parser.parse(query), ()))


def _selectors(
    expression: promql_parser.Expr, above: tuple[promql_parser.AggregateExpr, ...]
) -> Iterator[Selector]:
    if isinstance(expression, promql_parser.VectorSelector):
        yield _selector(expression, above)
        return
    if isinstance(expression, promql_parser.AggregateExpr):
        above = (*above, expression)
    for part in _parts(expression):
        yield from _selectors(part, above)


def _parts(expression: promql_parser.Expr) -> list[promql_parser.Expr]:
    names = ("expr", "lhs", "rhs", "vector_selector")
    parts = [getattr(expression, name) for name in names if hasattr(expression, name)]
    return [*parts, *getattr(expression, "args", ())]


def _selector(
    found: promql_parser.VectorSelector, above: tuple[promql_parser.AggregateExpr, ...]
) -> Selector:
    matchers = found.matchers.matchers
    matched = {each.name: each.op == promql_parser.MatchOp.Equal for each in matchers}
    if not above:
        return Selector(found.name, matched)
    *outer, inner = above
    by = set(inner.modifier.labels) if inner.modifier else set()
    is_summed = any(str(each.op) == "sum" for each in outer)
    return Selector(found.name, matched, str(inner.op), by, is_summed)
