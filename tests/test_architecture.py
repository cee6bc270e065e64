"""The plan of the house, kept true: who may import whom, and what importing may not do."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import lmpower

PACKAGE = Path(lmpower.__file__).parent

# From the ground to the roof. A room, a package or a file, imports from lower floors only; modules of one
# package may import one another, but not in circles.
FLOORS = (
    ("numerics",),
    ("counts", "difficulty", "arguments"),
    ("files", "passk", "likelihood", "prior", "shares", "distributions"),
    ("tables", "baseline", "scaling", "fit", "records"),
    ("posterior", "logs", "datasets", "plot"),
    ("forecast",),
    ("compare", "contrast", "estimators", "study"),
    ("backtest", "report", "inspect_ai"),
    ("cli",),
    ("__main__", "inspect_hooks"),
)
FLOOR = {room: number for number, floor in enumerate(FLOORS) for room in floor}
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = {file: ".".join(file.relative_to(PACKAGE).with_suffix("").parts) for file in FILES}


class Imports(ast.NodeVisitor):
    """Absolute names of everything imported, wherever in the file, except for type checkers only."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def visit_If(self, node: ast.If) -> None:
        if "TYPE_CHECKING" not in ast.unparse(node.test):
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.found += [alias.name for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, f"write imports in full, not {ast.unparse(node)!r}"
        self.found += [f"{node.module}.{alias.name}" for alias in node.names]


def imports(file: Path) -> list[str]:
    visitor = Imports()
    visitor.visit(ast.parse(file.read_text(encoding="utf-8")))
    return visitor.found


def room(name: str) -> str:
    """What stands directly in lmpower."""
    return name.split(".")[0]


def inside(file: Path) -> list[str]:
    """Names that a file imports from lmpower, without the lmpower."""
    return [name.removeprefix("lmpower.") for name in imports(file) if name.startswith("lmpower.")]


def test_there_are_files_to_look_at():
    assert len(FILES) > 20


def test_every_room_has_a_floor():
    assert set(FLOOR) == {room(name) for name in NAMES.values()} - {"__init__"}


@pytest.mark.parametrize("file", FILES, ids=NAMES.get)
def test_imports_point_strictly_down(file):
    here = room(NAMES[file])
    if here == "__init__":
        assert not inside(file), (
            f"lmpower imports {inside(file)} at once: let names be loaded when first used"
        )
        return
    for imported in inside(file):
        there = room(imported)
        if there != here and imported != "__version__":
            assert FLOOR[there] < FLOOR[here], (
                f"{NAMES[file]} (floor {FLOOR[here]}) imports {imported} (floor {FLOOR[there]})"
            )


def test_no_circles():
    """Also of files in one room: no one imports somebody who needs them first."""
    modules = {name.removesuffix(".__init__") for name in NAMES.values()}

    def module(imported: str) -> str:
        return imported if imported in modules else imported.rpartition(".")[0]

    needs = {
        NAMES[file].removesuffix(".__init__"): {module(imported) for imported in inside(file)}
        for file in FILES
    }
    TopologicalSorter(needs).prepare()


WALLS = {  # package: where alone it may be imported
    "numpyro": ("distributions", "posterior"),
    "xarray": ("posterior",),
    "arviz": ("posterior",),
    "matplotlib": ("plot",),
    "scipy": (),
    "mpmath": (),
    "pandas": ("tables",),
    "pyarrow": ("tables", "backtest", "logs"),
    "zstandard": ("logs",),
    "datasets": ("logs",),
    "narwhals": ("tables",),
    "inspect_ai": ("inspect_hooks",),
}


@pytest.mark.parametrize("package", WALLS)
def test_walls(package):
    users = {
        NAMES[file].removesuffix(".__init__")
        for file in FILES
        for imported in imports(file)
        if imported.split(".")[0] == package
    }
    strangers = {name for name in users if room(name) not in WALLS[package]}
    assert not strangers, f"{package} is imported by {', '.join(sorted(strangers))}"


def test_only_fits_and_what_continues_them_use_the_optimiser():
    users = {
        room(NAMES[file])
        for file in FILES
        if any(imported.startswith("lmpower.numerics.maximise") for imported in imports(file))
    }
    assert users == {"fit", "estimators"}


@pytest.mark.parametrize("file", FILES, ids=NAMES.get)
def test_no_global_switch_is_touched(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("jax.config.update", "warnings.simplefilter", "np.seterr"), (
                f"{NAMES[file]}, line {node.lineno}: {called} changes the caller's world"
            )


@pytest.mark.parametrize("attic", ["utils", "util", "helpers", "misc", "common"])
def test_there_is_no_attic(attic):
    assert not [name for name in NAMES.values() if attic in name.split(".")]


def run_python(source: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
        timeout=120,
    )
    assert done.stderr == ""
    return done.stdout


def test_importing_is_silent_and_light():
    """No jax, no NumPy even: names are loaded when first used."""
    source = """
import sys
import lmpower
heavy = {"jax", "matplotlib", "numpyro", "pandas", "scipy"} & set(sys.modules)
assert not heavy, heavy
"""
    assert run_python(source) == ""


def test_importing_and_computing_leave_the_precision_alone():
    source = """
import jax
before = jax.config.jax_enable_x64
import lmpower
for name in lmpower.__all__:
    getattr(lmpower, name)
from lmpower.difficulty import Beta
assert Beta(0.3, 3.0).pass_at_k(5).dtype == "float64"
assert jax.config.jax_enable_x64 == before == False
"""
    assert run_python(source) == ""


def test_every_public_name_is_at_home():
    assert set(lmpower.__all__) == set(lmpower._HOMES)
    assert set(lmpower.__all__) <= set(dir(lmpower))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lmpower.nothing
