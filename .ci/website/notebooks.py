"""Notebooks run, and turned into pages: text, code, and what it printed and drew.

They run in IPython, in this process: a kernel of their own may lose a reply, and then both sides wait
(jupyter/nbclient issue 312). A slider needs a running kernel, so a page has the figure that stands beside
it and says so.
"""

from __future__ import annotations

import base64
import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import matplotlib
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbformat.v4 import new_code_cell, new_output
from traitlets.config import Config

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
WIDGET = "application/vnd.jupyter.widget-view+json"
DISPLAYED_TEX = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)


def executed(path: Path, *, then: str = "") -> Any:
    """The notebook with its outputs, and one more cell at its end, ``then``, if given.

    Raises:
        Exception: what a cell raises.
    """
    notebook = jupytext.read(path)
    if then:
        notebook.cells.append(new_code_cell(then))
    with contextlib.chdir(path.parent), matplotlib.rc_context(), _shell() as shell:
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = _outputs(shell, cell.source)
    return notebook


class _Shell(InteractiveShell):
    def enable_gui(self, gui: str | None = None) -> None:
        """Nothing to do: figures go to the page, and no window is opened."""


@contextlib.contextmanager
def _shell() -> Iterator[_Shell]:
    """A shell with no history and nothing in it; ``__main__`` is given back when it is done."""
    with tempfile.TemporaryDirectory() as home:
        config = Config({"HistoryManager": {"enabled": False}})
        shell = _Shell.instance(ipython_dir=home, config=config)
        try:
            yield shell
        finally:
            shell.restore_sys_module_state()
            _Shell.clear_instance()


def _outputs(shell: _Shell, source: str) -> list[Any]:
    """What a cell prints, then what it shows."""
    # (inside the trap of the shell's own display hook, or that would be put before the one that captures)
    with shell.display_trap, capture_output() as captured:
        result = shell.run_cell(source)
    result.raise_error()
    streams = {"stdout": captured.stdout, "stderr": captured.stderr}
    printed = [new_output("stream", name=name, text=text) for name, text in streams.items() if text]
    shown = captured.outputs
    return printed + [new_output("display_data", data=each.data, metadata=each.metadata) for each in shown]


def page(notebook: Any, name: str, pictures: Path) -> str:
    """The notebook as Markdown; its pictures go to the folder ``pictures``, beside the page."""
    title, *rest = (_cell(cell, f"{name}-{at}", pictures) for at, cell in enumerate(notebook.cells))
    where = f"A notebook, `notebooks/{name}.py`, with what it printed and drew when this page was built."
    head, _, intro = title.partition("\n")
    return "\n\n".join([head, f'!!! note ""\n    {where} [How to open it](index.md).', intro, *rest])


def _cell(cell: Any, name: str, pictures: Path) -> str:
    if cell.cell_type == "markdown":
        text = DISPLAYED_TEX.sub(lambda match: f"```math\n{match[1].strip()}\n```", cell.source)
        # what is linked to in the repository has a page here
        return re.sub(r"\]\((?:\.\./docs/(\w[\w-]*\.md)|(\w+)\.py)\)", _linked, text)
    # (what a slider draws is shown beside it, too)
    widgets = [output for output in cell.outputs if WIDGET in output.get("data", {})]
    shown = [_output(each, f"{name}-{at}", pictures) for at, each in enumerate(widgets or cell.outputs)]
    source = "\n".join(line for line in cell.source.splitlines() if not line.startswith("%"))
    return "\n\n".join([f"```python\n{source.strip()}\n```", *filter(None, shown)])


def _linked(match: re.Match[str]) -> str:
    return f"](../{match[1]})" if match[1] else f"]({match[2]}.md)"


def _output(output: Any, name: str, pictures: Path) -> str:
    if output.output_type == "stream":
        return f"```text\n{output.text.rstrip()}\n```"
    data = output.data
    if WIDGET in data:
        return "*(Sliders, in Jupyter.)*"
    if "image/png" in data:
        (pictures / f"{name}.png").write_bytes(base64.b64decode(data["image/png"]))
        return f"![Figure]({pictures.name}/{name}.png)"
    return f"```text\n{data['text/plain']}\n```"
