"""A report: everything found out about groups of counts, on one page that can be sent around."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from lmpower.compare import FAMILIES as COMPARABLE
from lmpower.counts import Counts
from lmpower.files.whole import require_writable, write_text_atomically
from lmpower.report.findings import Findings, find_out
from lmpower.report.made import Made, made_now
from lmpower.report.page import report_page

__all__ = ["COMPARABLE", "Findings", "Made", "find_out", "made_now", "report_page", "write_report"]


def write_report(
    groups: Counts | Mapping[str, Counts], path: str | os.PathLike[str], family: str = "beta", **asked: Any
) -> Findings:
    """Find everything out and write it to one HTML file, whole or not at all.

    Args:
        groups: counts by name of the group, or those of one.
        path: the file to write.
        family, asked: as in ``find_out``, which needs a ``key``.

    Returns:
        The ``Findings``, which the page holds as JSON too.

    Raises:
        ValueError: if the file cannot be written, and as ``find_out`` does.
    """
    require_writable(path)
    asked.setdefault("made", made_now())
    findings = find_out(groups, family, **asked)
    write_text_atomically(path, report_page(findings))
    return findings
