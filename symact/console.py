"""Console: what commands print, and what they keep off the screen."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from symact.errors import OutputError


def check_output(output: str, force: bool, option: str = "-o") -> None:
    """Refuse, before any work, a file that would be refused after it.

    Raises:
        OutputError: ``output`` is no name of a file, or one that exists and ``force`` is not set.
    """
    if not output or Path(output).is_dir():
        raise OutputError(f"{option} {output!r} is not the name of a file; give one, such as -o mish.py")
    if Path(output).exists() and not force:
        raise OutputError(f"{output} exists; pass --force to overwrite it")


def width() -> int:
    """What COLUMNS says, or else the terminal's width; where there is none, 80."""
    return shutil.get_terminal_size().columns


def show(text: str | bytes) -> None:
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
def silent_native_stderr() -> Iterator[None]:
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


@contextlib.contextmanager
def others_on_stderr() -> Iterator[None]:
    """What other people's functions print, on stderr, whatever else is silent there: stdout has figures."""
    sys.stdout.flush()
    try:
        screen = os.dup(sys.stderr.fileno())
    except (OSError, ValueError):  # no file, as where a test collects what is printed
        with contextlib.redirect_stdout(sys.stderr):
            yield
        return
    saved = os.dup(1)
    try:
        os.dup2(screen, 1)
        with os.fdopen(screen, "w", errors="backslashreplace") as stream, contextlib.redirect_stdout(stream):
            yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
