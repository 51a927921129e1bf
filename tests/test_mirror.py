"""Each module has its test: at the mirrored place, or as the table in tests/README.md says."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
PACKAGES = ("grammar", "handlers", "smsgw", "tools")
TABLE = (TESTS / "README.md").read_text().partition("| Module | Shown by |\n")[2]
ROWS = [
    [re.findall(r"`([^`]+)`", cell) for cell in line.strip("|").split("|")]
    for line in TABLE.partition("\n\n")[0].splitlines()[1:]
]
LISTED = [name for modules, _ in ROWS for name in modules]


def modules() -> Iterator[str]:
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            if file.name != "__init__.py" or _has_code(file):
                yield str(file.relative_to(ROOT))


def _has_code(file: Path) -> bool:
    """Tells whether a module has more in it than a docstring and imports."""
    return not all(
        isinstance(each, ast.Expr | ast.Import | ast.ImportFrom)
        or (isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "__all__")
        for each in ast.parse(file.read_text()).body
    )


def mirrored(module: str) -> Path:
    """A package's own module is tested by the name of the package."""
    path = Path(module)
    named = path.parent if path.stem == "__init__" else path.with_suffix("")
    folder = named if path.stem == "__init__" else named.parent
    return TESTS / folder / f"test_{named.name}.py"


def transcript(module: str) -> Path:
    """A handler may be shown by the transcript of its name."""
    return TESTS / "transcripts" / f"{Path(module).stem}.yaml"


def has_its_own_test(module: str) -> bool:
    is_handler = module.startswith("handlers/")
    return mirrored(module).is_file() or (is_handler and transcript(module).is_file())


def is_listed(module: str) -> bool:
    return any(
        module == each or (each.endswith("/") and module.startswith(each)) for each in LISTED
    )


def test_each_module_has_its_test_or_a_row_and_not_both() -> None:
    all_ = list(modules())
    assert len(all_) > 200
    own = {each for each in all_ if has_its_own_test(each)}
    assert [each for each in all_ if each not in own and not is_listed(each)] == []
    assert [each for each in LISTED if each in own] == []


def test_each_row_names_modules_that_exist_once_and_tests_that_exist() -> None:
    all_ = list(modules())
    assert [each for each, times in Counter(LISTED).items() if times > 1] == []
    folders = tuple(each for each in LISTED if each.endswith("/"))
    assert [each for each in LISTED if each not in all_ and each not in folders] == []
    assert [each for each in folders if not any(one.startswith(each) for one in all_)] == []
    assert [each for each in LISTED if each not in folders and each.startswith(folders)] == []
    for named, tests in ROWS:
        assert named
        assert tests, named
        assert all(re.search(r"/?test_\w+\.py$|^transcripts/[\w-]+\.yaml$", each) for each in tests)
        assert [each for each in tests if not (TESTS / each).is_file()] == []
