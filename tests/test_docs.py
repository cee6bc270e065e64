"""Documentation is true: places in the code exist, links lead somewhere, examples run, no name misses."""

from __future__ import annotations

import ast
import importlib
import re
import shutil
from contextlib import chdir
from pathlib import Path

import pytest

import lmpower
from lmpower.arguments import command_line
from lmpower.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
DOCS, PACKAGE = ROOT / "docs", ROOT / "lmpower"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
REFERENCE = sorted((DOCS / "api").glob("*.md"))

PLACE = re.compile(r"`([\w/]+\.py)::([\w.]+)`")
IN_CODE = re.compile(r"In\s+code:(.*?)\.(?=\s|$)", re.DOTALL)
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]+)?\)")
NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


def names_in(path: str) -> set[str]:
    """What a file of the package defines: functions, classes, methods, fields and constants, dotted."""
    found: set[str] = set()

    def walk(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(prefix + node.name)
                if isinstance(node, ast.ClassDef):
                    walk(node.body, f"{prefix}{node.name}.")
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            found.update(prefix + target.id for target in targets if isinstance(target, ast.Name))

    walk(ast.parse((PACKAGE / path).read_text(encoding="utf-8")).body, "")
    return found


def holds(path: str, name: str) -> bool:
    """Whether a file has the name, at its top or as a part of a class."""
    return any(each == name or each.endswith(f".{name}") for each in names_in(path))


def places(text: str) -> list[tuple[str, str | None]]:
    """(file, name) of every place a page names: ``file::name``, or a name after "In code: ``file``"."""
    found: list[tuple[str, str | None]] = list(PLACE.findall(text))
    for sentence in IN_CODE.findall(text):
        file = ""
        for quoted in re.findall(r"(?<!\$)`([^`]+)`(?!\$)", sentence):
            path, _, name = quoted.partition("::")
            if path.endswith(".py"):
                file = path
                found.append((file, name or None))
            elif path.endswith("/"):
                found.append((f"{path}__init__.py", None))
            elif NAME.fullmatch(path):
                found.append((file, path))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_place_in_the_code_exists(page: Path):
    for file, name in places(page.read_text(encoding="utf-8")):
        assert (PACKAGE / file).is_file(), (
            f"{page.name} names {file or 'no file'} for {name}, which is not there"
        )
        assert name is None or holds(file, name), f"{page.name}: {file} has no {name}"


def test_places_are_found_and_looked_for():
    theory = places((DOCS / "theory.md").read_text(encoding="utf-8"))
    assert len(theory) > 80
    assert ("numerics/maximise.py", "free_coordinates") in theory
    assert holds("counts/counts.py", "Counts.thin")
    assert not holds("counts/counts.py", "Counts.thicken")


def test_every_derivation_ends_in_the_code():
    """Sections 1 to 10 of the theory: every paragraph with a title of its own says where it is computed."""
    text = (DOCS / "theory.md").read_text(encoding="utf-8")
    sections = re.split(r"^## (?=\d+\.)", text, flags=re.MULTILINE)[1:11]
    assert len(sections) == 10
    for section in sections:
        title = section.partition("\n")[0]
        for part in re.split(r"^(?=\*\*|### )", section, flags=re.MULTILINE):
            if part.startswith("**") or "```math" in part:
                assert re.search(r"In\s+code:", part), (
                    f"section {title}: no place in the code after {part[:60]!r}"
                )


@pytest.mark.parametrize("page", [*PAGES, *REFERENCE], ids=lambda page: page.stem)
def test_links_within_the_repository_lead_somewhere(page: Path):
    for address, _ in LINK.findall(page.read_text(encoding="utf-8")):
        made = (
            address.startswith(("gallery/", "notebooks/")) and page.parent == DOCS
        )  # when the site is built
        if "://" not in address and not made:
            assert (page.parent / address).exists(), f"{page.name} links to {address}"


def test_every_page_is_in_the_menu():
    menu = re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    made = {
        f"notebooks/{each}.md"
        for each in ("index", *(path.stem for path in (ROOT / "notebooks").glob("*.py")))
    }
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page.parent.name != "notebooks"}
    assert sorted(menu) == sorted(pages | made)


def public_names() -> list[str]:
    rooms = ("lmpower", *(f"lmpower.{room}" for room in (*lmpower._ROOMS, "posterior")))
    return [
        f"{room}.{name}" for room in rooms for name in getattr(importlib.import_module(room), "__all__", ())
    ]


def documented() -> set[str]:
    """Names with a place in the reference: those asked for, and the members of rooms asked for."""
    found: set[str] = set()
    for page in REFERENCE:
        text = page.read_text(encoding="utf-8")
        for name, members in re.findall(
            r"^::: ([\w.]+)\n(?:    options:\n      members: \[([^\]]*)\])?", text, re.MULTILINE
        ):
            room = name.replace(".", "/")
            whole = (ROOT / room / "__init__.py").is_file() and not members
            inside = importlib.import_module(name).__all__ if whole else re.findall(r"\w+", members)
            found |= {name, *(f"{name}.{each}" for each in inside)}
    return found


def test_every_public_name_is_in_the_reference():
    there = documented()
    things = {
        id(getattr(importlib.import_module(room), name))
        for room, _, name in (n.rpartition(".") for n in there)
    }
    for name in public_names():
        room, _, last = name.rpartition(".")
        thing = getattr(importlib.import_module(room), last)
        assert name in there or id(thing) in things, f"{name} is public and in no page of docs/api"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_are_understood(page: Path):
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    parser = command_line(COMMANDS)
    for line in re.findall(
        rf"^(?: {{4,}}|)(?:srun )?lmpower ((?:{'|'.join(COMMANDS)})\b[^\n]*)$",
        text,
        re.MULTILINE,
    ):
        words = line.replace('"', "").partition("  #")[0].partition(" > ")[0].split()
        parser.parse_args(words)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.stem != "gallery"], ids=lambda page: page.stem
)
def test_examples_run(page: Path, tmp_path: Path):
    """Blocks of Python in order, beside counts and logs. (The gallery's run when the site is built.)

    What asks a model through Inspect is left to tests/test_inspect_evals.py.
    """
    blocks = [b for b in BLOCK.findall(page.read_text(encoding="utf-8")) if "forecast_evals" not in b]
    if not blocks:
        return
    shutil.copy(PACKAGE / "data" / "example.csv", tmp_path / "counts.csv")
    for name in ("a.eval", "b.eval"):
        shutil.copy(ROOT / "tests" / "logs" / "inspect_5x10.eval", tmp_path / name)
    with chdir(tmp_path):
        exec(compile("".join(blocks), page.name, "exec"), {})
