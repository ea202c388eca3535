"""The command line. Commands import what they need themselves, so that ``--help`` is quick."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from symact.errors import OptionError, OutputError, SymactError
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
        click.option("--fast", "prefer", flag_value="fast", help="The cheapest form within 64 ULP."),
        click.option("--accurate", "prefer", flag_value="accurate", help="The most accurate form."),
        click.option("--order", default=2, show_default=True, help="How often it is differentiable."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


class _FormulaCommand(click.Command):
    """A command whose FORMULA may begin with a minus: ``-tanh(x)`` is no cluster of options.

    Only an option's full name is one; so a value is not attached to a short name (``-o FILE``).
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        takes_value = {
            name: not option.is_flag
            for option in self.get_params(ctx)
            if isinstance(option, click.Option)
            for name in option.opts
        }
        options: list[str] = []
        formulas: list[str] = []
        rest = list(args)
        while rest:
            argument = rest.pop(0)
            if argument == "--":
                formulas += rest
                break
            if takes_value.get(argument) and not rest:
                # Said here, since the parser would take our own "--" below for the value.
                raise click.BadOptionUsage(argument, f"Option {argument!r} requires an argument.", ctx)
            if argument in takes_value:
                options += [argument, *(rest[:1] if takes_value[argument] else [])]
                del rest[: takes_value[argument]]
            elif _LIKE_AN_OPTION.match(argument):
                options.append(argument)
            else:
                formulas.append(argument)
        return super().parse_args(ctx, [*options, "--", *formulas] if formulas else options)


# ``--domain=0,oo``, and misspelt ones, which click answers with the nearest name.
_LIKE_AN_OPTION = re.compile(r"--[a-z][a-z-]+(=|$)")


@cli.command(cls=_FormulaCommand)
@_formula_options
@click.option("-o", "--output", type=click.Path(), help="File to write; default: standard output.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def generate(output: str | None, force: bool, **options: Any) -> None:
    """Write the stand-alone Keras module for FORMULA.

    \b
    Examples:
      symact generate "x*tanh(log(1+exp(x)))" --name mish -o mish.py
      symact generate "Piecewise((x, x>=0), (a*x, True))" --param a=0.1 --name leaky_relu
      symact generate "x*log(x)" --domain 0,oo --name xlogx
    """
    from symact.files import write_atomically

    if output is not None:
        _check_output(output, force)
        if options["name"] is None and Path(output).stem.isidentifier():
            options["name"] = Path(output).stem
    source = _translated(**options).source
    if output is None:
        # As in a file, UTF-8: what Python reads, whatever the terminal's encoding.
        _show(source.encode())
    else:
        write_atomically(output, source, force=force)
        click.echo(f"wrote {output}", err=True)


@cli.command(cls=_FormulaCommand)
@_formula_options
@click.option("--stage", type=click.Choice(_STAGES), help="Show what one stage of the compiler makes.")
def explain(stage: str | None, **options: Any) -> None:
    """Show the derivative of FORMULA, its regimes, and what each rewriting gained.

    \b
    Examples:
      symact explain "log(1+exp(x))"
      symact explain "x*erf(x)" --stage derive
    """
    from symact.report import explanation_text, stage_text

    compilation = _translated(**options)
    _show(explanation_text(compilation, _width()) if stage is None else stage_text(compilation, stage))


@cli.command(cls=_FormulaCommand)
@_formula_options
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def compare(dtype: str, as_json: bool, **options: Any) -> None:
    """Compare the gradient of FORMULA with TensorFlow's autodiff and with the truth.

    \b
    Examples:
      symact compare "x*tanh(log(1+exp(x)))"
      symact compare "Max(x, 0.1*x)" --dtype float64
      symact compare "log(1+exp(x))" --json > softplus.json
    """
    compilation = _translated(**options)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _progress("comparing"), _silent_native_stderr():
        from symact.activation import load
        from symact.compare import compare as run
        from symact.report import comparison_text

        comparison = run(load(compilation), dtype=dtype)
    if as_json:
        _show(json.dumps(comparison.as_dict(), indent=2, allow_nan=False) + "\n")
    else:
        _show(comparison_text(comparison, _width()))


def _translated(
    formula: str,
    name: str | None,
    params: tuple[str, ...],
    trainable: tuple[str, ...],
    domain: str | None,
    inputs: str,
    order: int,
    prefer: str | None,
) -> Compilation:
    """The compiler's stages applied to what the command line says."""
    # Short-lived, and busy making small objects: collecting them costs more than it frees.
    gc.disable()
    with _progress("compiling"):
        from symact.compiler import shortfalls, translate

        compilation = translate(
            formula,
            name=name,
            inputs=tuple(part.strip() for part in inputs.split(",")),
            params=_parameters(params),
            trainable=trainable,
            domain=None if domain is None else _domain(domain),
            order=order,
            prefer=prefer or "balanced",
            workers=os.cpu_count() or 1,
        )
    for line in shortfalls(compilation):
        click.echo(f"symact: note: {line}", err=True)
    return compilation


def _check_output(output: str, force: bool) -> None:
    """Refuse, before any work, a file that would be refused after it."""
    if not output or Path(output).is_dir():
        raise OutputError(f"-o {output!r} is not the name of a file; give one, such as -o mish.py")
    if Path(output).exists() and not force:
        raise OutputError(f"{output} exists; pass --force to overwrite it")


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


def _width() -> int | None:
    """The terminal's width; None (tables as wide as they are) where there is no terminal."""
    return os.get_terminal_size().columns if sys.stdout.isatty() else None


def _show(text: str | bytes) -> None:
    """Print to standard output; a reader that has gone away (``| head``) is no error."""
    try:
        try:
            click.echo(text, nl=False)
        except UnicodeEncodeError:
            assert isinstance(text, str)
            click.echo(text.encode(sys.stdout.encoding, "replace"), nl=False)
    except BrokenPipeError:
        # So that the interpreter's own flush at the end does not fail:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(f"cannot write to standard output: {error.strerror}") from None


@contextlib.contextmanager
def _progress(what: str) -> Iterator[None]:
    """A word on stderr while work goes on, on a terminal only; wiped when done.

    It does not spin: that takes a thread, and the search forks, which is safe only without threads.
    """
    if not sys.stderr.isatty():
        yield
        return
    line = f"{what} …"
    click.echo(line, err=True, nl=False)
    try:
        yield
    finally:
        click.echo(f"\r{' ' * len(line)}\r", err=True, nl=False)


@contextlib.contextmanager
def _silent_native_stderr() -> Iterator[None]:
    """TensorFlow's native start-up messages kept off the screen; our own errors still show."""
    sys.stderr.flush()
    saved = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


def main() -> None:
    """Run the command line; a refused formula, option or file is one line and exit status 1."""
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
        sys.exit(130)
