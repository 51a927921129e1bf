"""Changes Python code by the standard library's syntax trees.

Why no mutation tool from the shelf:

- mutmut 3 changes what is inside functions alone, since it swaps functions while the program runs;
  its README sends who wants more to version 2. Here limits, spans and tables are constants of
  modules, and so are queries. It does not drop checks, statements or conditions of a query.
- Cosmic Ray writes each change into the checkout's own file and starts a shell command for it, so
  every mutant pays for a new Python, and two cannot be tried side by side in one folder.
- Neither changes the configuration, where most of what people are told is decided.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tools.mutants.modules import MODULES, Missing, Module, check
from tools.mutants.mutant import ROOT, Mutant, with_number
from tools.mutants.operators import OPERATORS, element

# Parts that say what something is, not what is done.
SKIPPED_FIELDS = {"annotation", "returns", "decorator_list", "type_params", "slice", "ctx"}
# A wording that lacks a value, or does not fit, is refused before anything runs.
SKIPPED_NAMES = {"WORDINGS", "PLACEHOLDERS", "log"}
SKIPPED_KEYWORDS = {"strict", "slots", "frozen", "exc_info"}
NOT_ITS_WORK = ("log.info(", "log.debug(")
NO_VALUE = (ast.Raise, ast.Import, ast.ImportFrom)


@dataclass(frozen=True, slots=True)
class Site:
    """Names a place of a syntax tree: `owner.field`, or one item of it if that is a list."""

    owner: ast.AST
    field: str
    index: int | None
    scope: str  # the function, method or constant that it is part of; "" at the top

    @property
    def node(self) -> ast.AST:
        child = getattr(self.owner, self.field)
        node: ast.AST = child if self.index is None else child[self.index]
        return node

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.owner, self.field, node)
        else:
            getattr(self.owner, self.field)[self.index] = node


def mutants(root: Path = ROOT, modules: tuple[Module, ...] = MODULES) -> Iterator[Mutant]:
    """Yields the mutants of all files of the table. Raises Missing."""
    check(root, modules)
    for module in modules:
        yield from of(module, (root / module.path).read_text("utf-8"))


def of(module: Module, source: str) -> Iterator[Mutant]:
    """Yields the mutants of one file. Raises Missing."""
    tree = ast.parse(source)
    sites = list(_sites(tree, ""))
    scopes = {site.scope for site in sites}
    gone = [name for name in module.only if name not in scopes]
    if gone:
        raise Missing(f"tools/mutants/modules.py: {module.path} has no {', '.join(gone)}")
    counts: dict[str, int] = {}
    for site in sites:
        if module.only and site.scope not in module.only:
            continue
        for operator in OPERATORS:
            if operator is element and _is_whole(site):
                continue
            for kind, instead, what in operator(site.node):
                yield Mutant(
                    id=with_number(f"{module.path}:{site.scope}:{kind}", counts),
                    group=module.group,
                    path=module.path,
                    line=_line(site),
                    what=_described(site, what, kind),
                    text=partial(_rendered, tree, site, instead),
                    hints=(*module.hints, Path(module.path).stem),
                    tests=module.tests,
                )


def _rendered(tree: ast.Module, site: Site, instead: ast.AST) -> str:
    """Returns the whole module with the change; the tree is afterwards what it was."""
    before = site.node
    site.put(instead)
    try:
        return f"{ast.unparse(ast.fix_missing_locations(tree))}\n"
    finally:
        site.put(before)


def _sites(owner: ast.AST, scope: str) -> Iterator[Site]:
    """Yields every place below `owner` that may be changed, in the order of the text."""
    for field, child in ast.iter_fields(owner):
        if field in SKIPPED_FIELDS and not _is_worth(owner, field):
            continue
        listed = enumerate(child) if isinstance(child, list) else [(None, child)]
        for index, node in listed:
            if isinstance(node, ast.AST) and not _is_skipped(owner, node):
                within = _scope(node, scope)
                yield Site(owner, field, index, within)
                yield from _sites(node, within)


def _is_worth(owner: ast.AST, field: str) -> bool:
    """Tells an index or a slice in square brackets from a type."""
    if field != "slice" or not isinstance(owner, ast.Subscript):
        return False
    return isinstance(owner.slice, ast.Slice | ast.Constant | ast.UnaryOp)


def _is_skipped(owner: ast.AST, node: ast.AST) -> bool:
    match node:
        case ast.Assign([ast.Name(name)]) | ast.AnnAssign(ast.Name(name)) if name in SKIPPED_NAMES:
            return True
        case ast.keyword(name) if name in SKIPPED_KEYWORDS:
            return True
        case ast.Expr(ast.Constant()):
            return True
        case ast.Expr(call) if ast.unparse(call).startswith(NOT_ITS_WORK):
            return True
        case ast.Tuple(ctx=ast.Store()) | ast.List(ctx=ast.Store()):
            return True
    return isinstance(node, NO_VALUE)


def _is_whole(site: Site) -> bool:
    """Tells whether a tuple is a row of a table, is compared or unpacked: without a part nothing
    works."""
    if not isinstance(site.node, ast.Tuple):
        return False
    match site.owner:
        case ast.Dict() | ast.Assign([ast.Tuple()]):
            return True
        case ast.Compare(_, [ast.Eq() | ast.NotEq()]):
            return True
    return False


def _scope(node: ast.AST, scope: str) -> str:
    """Returns the name of the scope. Constants count only at the top; what is inside a function is
    the function's."""
    match node:
        case ast.FunctionDef(name) | ast.ClassDef(name):
            return f"{scope}.{name}" if scope else name
        case ast.Assign([ast.Name(name)]) | ast.AnnAssign(ast.Name(name)):
            return scope or name
    return scope


def _line(site: Site) -> int:
    return int(getattr(site.node, "lineno", 0) or getattr(site.owner, "lineno", 0))


def _described(site: Site, what: str, kind: str) -> str:
    """Describes a change. A number alone says little, so its surroundings are shown."""
    if kind not in {"number", "truth"}:
        return what
    around = " ".join(ast.unparse(site.owner).split())
    return f"{around}: {what}" if len(around) <= 60 else f"in {site.scope}: {what}"
