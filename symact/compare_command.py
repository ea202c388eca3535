"""The command ``symact compare``: its options, and what it does with them once the formula is compiled."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from symact.console import check_output, others_on_stderr, show, silent_native_stderr, width
from symact.errors import OptionError
from symact.progress import on_terminal

if TYPE_CHECKING:
    from symact.comparison import Comparison
    from symact.compiler import Compilation
    from symact.exhaustive import Exhaustive
    from symact.vjps.comparison import VjpComparison

_DTYPES = ("float32", "float64", "float16", "bfloat16")


def _limit(context: click.Context, option: click.Parameter, value: float | None) -> float | None:
    from symact.figures import checked_limit

    try:
        return None if value is None else checked_limit(value)
    except OptionError as error:
        raise click.BadParameter(str(error), context, option) from None


_OPTIONS = [
    click.option(
        "--against", multiple=True, metavar="FUNCTION", help="A callable of the same formula; repeatable."
    ),
    click.option(
        "--dtype", "dtypes", multiple=True, type=click.Choice(_DTYPES), help="A format; default: all four."
    ),
    click.option(
        "--fail-above",
        type=float,
        metavar="ULP",
        callback=_limit,
        help="Exit status 1 if an error is larger.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON."),
    click.option("--plot", metavar="FILE.png", help="Draw the function, and everybody's errors."),
    click.option("--html", metavar="FILE.html", help="Write one page with everything in it."),
    click.option("--exhaustive", is_flag=True, help="Besides, try every one of the 2**32 float32 inputs."),
    click.option("--workers", metavar="N|dask://HOST:PORT", help="Who tries them; default: every processor."),
    click.option(
        "--resume", metavar="FILE", help="Journal of the inputs tried; default: in ~/.cache/symact."
    ),
    click.option("--force", is_flag=True, help="Overwrite existing files."),
]


def compare_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of ``symact compare``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class Request:
    """What the options ask for."""

    against: tuple[str, ...]
    dtypes: tuple[str, ...]
    fail_above: float | None
    as_json: bool
    plot: str | None
    html: str | None
    exhaustive: bool
    workers: str | None
    resume: str | None
    force: bool

    def check(self) -> None:
        """Refuse, before any work, files that could not be written after it."""
        for option, path in (("--plot", self.plot), ("--html", self.html)):
            if path is not None:
                check_output(path, self.force, option)
        if self.plot and self.html and os.path.realpath(self.plot) == os.path.realpath(self.html):
            raise OptionError(f"--plot and --html name one file, {self.html!r}; give each its own")
        if not self.exhaustive and (self.workers is not None or self.resume is not None):
            raise OptionError("--workers and --resume belong to --exhaustive; pass that too")
        if self.workers is not None and not self.workers.startswith("dask://"):
            self.processes()

    def processes(self) -> int | str | None:
        """``workers`` as ``exhaust`` takes it."""
        if self.workers is None or self.workers.startswith("dask://"):
            return self.workers
        if not self.workers.isdecimal() or int(self.workers) < 1:
            raise OptionError(f"--workers {self.workers!r} is neither a number from 1 nor dask://HOST:PORT")
        return int(self.workers)


def run_compare(compilation: Compilation, request: Request) -> None:
    """Compare, print the figures, write what was asked for; then judge.

    Raises:
        AccuracyError: an error is above ``request.fail_above``; all output has been written by then.
    """
    if request.exhaustive:
        from symact.exhaustive import check_sweepable

        check_sweepable(compilation.formula)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with others_on_stderr(), on_terminal("comparing", at_once=True), silent_native_stderr():
        from symact.activation import load
        from symact.compare import compare

        comparison = compare(load(compilation), against=request.against, dtype=request.dtypes or "all")
    if not request.as_json:
        from symact.report import comparison_text

        show(comparison_text(comparison, width()))
    swept = _swept(compilation, request, comparison) if request.exhaustive else None
    _write_views(comparison, compilation, request, swept)
    if request.as_json:
        data = comparison.as_dict() | ({} if swept is None else {"exhaustive": swept.as_dict()})
        show(json.dumps(data, indent=2, allow_nan=False) + "\n")
    if request.fail_above is not None:
        if swept is not None:
            swept.assert_accurate(request.fail_above)
        comparison.assert_accurate(request.fail_above)


def _swept(compilation: Compilation, request: Request, comparison: Comparison | VjpComparison) -> Exhaustive:
    """The figures over all float32 inputs, of those that could be compared; printed but for JSON."""
    from symact.exhaustive import exhaust
    from symact.sweep_text import ProgressLine, sweep_text

    failed = {name for compared in comparison.formats.values() for name in compared.problems}
    found = exhaust(
        compilation,
        against=[name for name in request.against if name not in failed],
        workers=request.processes(),
        resume=request.resume,
        progress=ProgressLine(),
    )
    if not request.as_json:
        show("\n" + sweep_text(found, width()))
    return found


def _write_views(
    comparison: Comparison | VjpComparison,
    compilation: Compilation,
    request: Request,
    swept: Exhaustive | None,
) -> None:
    """The picture and the page that were asked for."""
    from symact.files import write_atomically

    if request.plot is not None:
        from symact.plots import png

        write_atomically(request.plot, png(comparison), force=request.force)
        click.echo(f"wrote {request.plot}", err=True)
    if request.html is not None:
        from symact.page import page

        write_atomically(request.html, page(comparison, compilation, swept), force=request.force)
        click.echo(f"wrote {request.html}", err=True)
