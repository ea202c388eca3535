"""The command line. Commands import what they need themselves, so that ``--help`` is quick."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from symact.compare_command import Request, compare_options, run_compare
from symact.console import check_output, show, width
from symact.errors import OptionError, SymactError
from symact.formula_command import FormulaCommand
from symact.interrupts import STATUS, end_soon_when_interrupted
from symact.progress import on_terminal
from symact.version import __version__

if TYPE_CHECKING:
    from symact.compiler import Compilation

_STAGES = ("parse", "lower", "derive", "stabilize", "schedule", "emit")

_GROUP_HELP = """Compile activation formulas to Keras code with exact, stable gradients.

\b
Examples:
  symact generate "x*tanh(log(1+exp(x)))" --name mish -o mish.py
  symact generate "x/(1+exp(-beta*x))" --param beta=1.0 --name swish
  symact compare "x*tanh(log(1+exp(x)))"
  symact explain "log(1+exp(x))"
"""


@click.group(help=_GROUP_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="symact")
def cli() -> None:
    """The group; its help is above."""


def _formula_options(command: Callable[..., None]) -> Callable[..., None]:
    """The formula and the options that every command takes with it."""
    options = [
        click.argument("formula"),
        click.option("--name", help="Name of the function; in CamelCase, of its Layer."),
        click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter's default."),
        click.option("--trainable", multiple=True, metavar="NAME", help="A parameter that is a weight."),
        click.option("--domain", metavar="LO,HI", help="Open interval of the input, such as 0,oo."),
        click.option("--inputs", default="x", show_default=True, help="Names of the inputs."),
        click.option("--axis", default=-1, show_default=True, help="The axis that reductions run over."),
        click.option(
            "--ties",
            type=click.Choice(("share", "first")),
            default="share",
            show_default=True,
            help="Who gets the gradient of an extremum that several elements reach.",
        ),
        click.option(
            "--at-zero",
            type=click.Choice(("zero", "one")),
            default="zero",
            show_default=True,
            help="What 1/r is for a sum or norm r that is 0.",
        ),
        click.option("--fast", "prefer", flag_value="fast", help="The cheapest form within 64 ULP."),
        click.option("--accurate", "prefer", flag_value="accurate", help="The most accurate form."),
        click.option("--order", default=2, show_default=True, help="How often it is differentiable."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@cli.command(cls=FormulaCommand)
@_formula_options
@click.option("-o", "--output", type=click.Path(), help="File to write; default: standard output.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--with-test", is_flag=True, help="Write test_NAME.py beside it, with exact values in it.")
def generate(output: str | None, force: bool, with_test: bool, **options: Any) -> None:
    """Write the stand-alone Keras module for FORMULA.

    \b
    Examples:
      symact generate "x*tanh(log(1+exp(x)))" --name mish -o mish.py
      symact generate "Piecewise((x, x>=0), (a*x, True))" --param a=0.1 --name leaky_relu
      symact generate "x*log(x)" --domain 0,oo --name xlogx
      symact generate "log(1+exp(x))" -o softplus.py --with-test
    """
    if with_test and (output is None or not output.endswith(".py")):
        raise OptionError("--with-test writes a test beside the module; pass -o FILE.py with it")
    if output is not None:
        check_output(output, force)
        if options["name"] is None and Path(output).stem.isidentifier():
            options["name"] = Path(output).stem
        if with_test:
            check_output(str(_test_path(output)), force)
    compilation = _translated(**options)
    if output is None:
        # As in a file, UTF-8: what Python reads, whatever the terminal's encoding.
        show(compilation.source.encode())
    else:
        _write_module(compilation, output, force, with_test)


def _test_path(output: str) -> Path:
    return Path(output).with_name(f"test_{Path(output).name}")


def _source_of_test(compilation: Compilation, module: str) -> str:
    if compilation.formula.is_univariate:
        from symact.testing import source_of_test
    else:
        from symact.vjps.points import source_of_test
    return source_of_test(compilation, module)


def _write_module(compilation: Compilation, output: str, force: bool, with_test: bool) -> None:
    """The module, and its test with it: both are written, or neither."""
    from symact.files import write_together

    files: dict[str | os.PathLike[str], str | bytes] = {output: compilation.source}
    if with_test:
        with on_terminal("computing exact values", at_once=True):
            files[_test_path(output)] = _source_of_test(compilation, Path(output).name)
    write_together(files, force=force)
    for path in files:
        click.echo(f"wrote {path}", err=True)


@cli.command(cls=FormulaCommand)
@_formula_options
@click.option("--stage", type=click.Choice(_STAGES), help="Show what one stage of the compiler makes.")
@click.option("--plot", type=click.Path(), help="Draw the error before and after, to this PNG file.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def explain(stage: str | None, plot: str | None, force: bool, **options: Any) -> None:
    """Show the derivative of FORMULA, its regimes, and what each rewriting gained.

    \b
    Examples:
      symact explain "log(1+exp(x))"
      symact explain "x*erf(x)" --stage derive
      symact explain "x/(1+exp(-x))" --plot silu.png
    """
    from symact.explanation import explanation_text, stage_text

    if plot is not None:
        check_output(plot, force, "--plot")
    compilation = _translated(**options)
    if plot is not None:
        _save_plot(compilation, plot, force)
    show(explanation_text(compilation, width()) if stage is None else stage_text(compilation, stage))


def _save_plot(compilation: Compilation, path: str, force: bool) -> None:
    from symact.explain_plot import error_plot
    from symact.files import write_atomically

    if not compilation.formula.is_univariate:
        raise OptionError("--plot draws elementwise formulas of one input; this one is another")
    write_atomically(path, error_plot(compilation), force=force)
    click.echo(f"wrote {path}", err=True)


@cli.command(cls=FormulaCommand)
@_formula_options
@compare_options
def compare(**options: Any) -> None:
    """Compare the gradient of FORMULA with TensorFlow's autodiff and with the truth.

    FUNCTION is package.module.function or module:function, of the current directory too.
    --fail-above judges the value and derivative of symact and of every --against function.

    \b
    Examples:
      symact compare "x*tanh(log(1+exp(x)))"
      symact compare "Max(x, 0.1*x)" --dtype float64
      symact compare "log(1+exp(x))" --json > softplus.json
      symact compare "x*erfc(-x/sqrt(2))/2" --against keras.activations.gelu --html gelu.html
      symact compare "x/(1+exp(-x))" --against my_module:silu --fail-above 8
    """
    request = Request(**{field.name: options.pop(field.name) for field in fields(Request)})
    request.check()
    run_compare(_translated(**options), request)


def _translated(
    formula: str,
    name: str | None,
    params: tuple[str, ...],
    trainable: tuple[str, ...],
    domain: str | None,
    inputs: str,
    axis: int,
    ties: str,
    at_zero: str,
    order: int,
    prefer: str | None,
) -> Compilation:
    """The compiler's stages applied to what the command line says."""
    from symact.grammar import parse_text

    parse_text(formula)  # what is no formula is refused at once, before the rest is imported
    with on_terminal("compiling") as update:
        from symact.compiler import shortfalls, translate

        compilation = translate(
            formula,
            name=name,
            inputs=tuple(part.strip() for part in inputs.split(",")),
            params=_parameters(params),
            trainable=trainable,
            domain=None if domain is None else _domain(domain),
            axis=axis,
            order=order,
            ties=ties,
            at_zero=at_zero,
            prefer=prefer or "balanced",
            workers=_workers(),
            update=update,
        )
    for line in shortfalls(compilation):
        click.echo(f"symact: note: {line}", err=True)
    return compilation


def _workers() -> int:
    """How many processes share a search. They are forked, which is safe only where nothing has started
    threads, as TensorFlow does: in a process of the command line's own."""
    return 1 if "tensorflow" in sys.modules or threading.active_count() > 1 else os.cpu_count() or 1


def _parameters(texts: tuple[str, ...]) -> dict[str, float]:
    parameters: dict[str, float] = {}
    for name, value in map(_parameter, texts):
        if name in parameters:
            raise OptionError(f"--param {name} is given twice; give it once")
        parameters[name] = value
    return parameters


def _parameter(text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    try:
        if not equals:
            raise ValueError
        return name.strip(), float(value)
    except ValueError:
        raise OptionError(f"--param {text!r} is not NAME=NUMBER, such as --param beta=1.0") from None


def _domain(text: str) -> tuple[str, str]:
    parts = text.split(",")
    if len(parts) != 2:
        raise OptionError(f"--domain {text!r} is not LO,HI, such as --domain 0,oo")
    return parts[0], parts[1]


def main() -> None:
    """Run the command line; a refused formula, option or file is one line and exit status 1."""
    # Short-lived, and busy making small objects: collecting them costs more than it frees.
    gc.disable()
    end_soon_when_interrupted()
    try:
        cli.main(standalone_mode=False)
    except SymactError as error:
        click.echo(f"symact: {error}", err=True)
        sys.exit(1)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("symact: interrupted", err=True)
        sys.exit(STATUS)
