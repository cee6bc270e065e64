"""``lmpower posterior`` and ``forecast``: what the counts leave plausible, and pass@k from there."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lmpower.cli.reading import groups_asked
from lmpower.cli.terminal import progress, say_drawn

if TYPE_CHECKING:
    from lmpower.counts import Counts
    from lmpower.records import Record
    from lmpower.study import Beliefs, Curve


def posterior(args: argparse.Namespace) -> None:
    from lmpower import records

    study, curves = beliefs(groups_asked(args), args, drawn=_draw_posterior)
    _tell(args, study, curves, records.posterior_records, records.summaries_text)


def forecast(args: argparse.Namespace) -> None:
    from lmpower import records

    study, curves = beliefs(groups_asked(args), args, drawn=draw_forecast)
    _tell(args, study, curves, records.forecast_records, records.beliefs_text)


def _tell(
    args: argparse.Namespace,
    study: Beliefs,
    curves: Mapping[str, Curve],
    as_records: Callable[[Beliefs, Mapping[str, Curve]], list[Record]],
    as_text: Callable[[Beliefs], str],
) -> None:
    """Records for programs, or for people a text and the forecast's table."""
    from lmpower import records

    at_ks = asked(curves, args.k)
    if args.json:
        print(records.as_json(as_records(study, at_ks)))
        _explain_doubts(study)
    else:
        title, table = records.forecast_title(args.problems), records.forecast_table(study, at_ks)
        print(f"{as_text(study)}\n\n{title}\n{table}")
        say_drawn(args.plot)


def beliefs(
    groups: dict[str, Counts], args: argparse.Namespace, drawn: Callable[..., None]
) -> tuple[Beliefs, dict[str, Curve]]:
    """Posteriors and the curves of pass@k that follow, also drawn if asked for."""
    import jax

    from lmpower.study import curves_of, study_beliefs

    key = jax.random.key(args.key)
    with progress(2 + bool(args.plot)) as step:
        study = study_beliefs(
            groups,
            args.family,
            method=args.method,
            draws=args.draws,
            key=key,
            level=args.level,
            line_ks=args.line_ks,
            detected=args.stopping == "auto",
            step=step,
        )
        step("forecasting")
        curves = curves_of(study, args.k, args.problems, drawn=bool(args.plot), key=key)
        if args.plot:
            step("drawing")
            drawn(study, curves, args.plot)
    return study, curves


def asked(curves: Mapping[str, Curve], ks: Sequence[int]) -> dict[str, Curve]:
    return {name: curve.at(ks) for name, curve in curves.items()}


def _explain_doubts(study: Beliefs) -> None:
    from lmpower.posterior import Trust

    for g, name in enumerate(study.groups):
        if study.posterior.trust[g] != Trust.OK:
            print(f"lmpower: group {name!r}: {study.posterior[g].sentence}", file=sys.stderr)


def draw_forecast(study: Beliefs, curves: Mapping[str, Curve], path: Path) -> None:
    from lmpower.plot import plot_forecast, save_figure

    posteriors = {name: study.posterior[g] for g, name in enumerate(study.groups)}
    lines = {name: line for name, line in study.lines.items() if not isinstance(line, str)}
    save_figure(plot_forecast(curves, study.groups, posteriors, lines), path)


def _draw_posterior(study: Beliefs, curves: Mapping[str, Curve], path: Path) -> None:
    from lmpower.plot import plot_exponents, save_figure

    posteriors = {name: study.posterior[g] for g, name in enumerate(study.groups)}
    save_figure(plot_exponents(posteriors, level=study.level), path)
