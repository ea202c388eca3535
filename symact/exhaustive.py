"""Exhaustive: a sweep over all 2**32 float32 inputs, on this machine's processors or a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from symact.compiler import Compilation
from symact.errors import OptionError, SymactError
from symact.figures import Figures, checked_limit, require_none, shortfalls
from symact.formula import Formula
from symact.frozen import Result, plain_data
from symact.interrupts import children_end_too, deaf_children, leave_with
from symact.journal import Journal, default_path
from symact.sweep import CHUNKS, ChunkFigures, Job, added_up, judge_chunk

# Chunks are taken in strides, so that the time left can be told from those that are done.
_STRIDE = 389
DASK = "dask://"

Progress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Exhaustive(Result):
    """Figures over every float32 input; contenders are symact and those it was compared against.

    Attributes:
        formula, name, parameters: what was swept.
        chunks: how many of the sweep's chunks these figures are of; ``of`` if it is complete.
        of: how many chunks there are.
        values, gradients: contender → figures over all finite inputs in the domain.
        nan_lost: contender → how many NaN inputs did not give NaN.
        seconds: what this run took; chunks found in the journal took none.
    """

    formula: str
    name: str
    parameters: Mapping[str, float]
    chunks: int
    of: int
    values: Mapping[str, Figures]
    gradients: Mapping[str, Figures]
    nan_lost: Mapping[str, int]
    seconds: float

    def complaints(self, max_ulp: float) -> list[str]:
        """Where a value or derivative is worse than ``max_ulp`` or not finite."""
        found: list[str] = []
        checked_limit(max_ulp)
        for title, column in (("value", self.values), ("derivative", self.gradients)):
            for name, figures in column.items():
                what = f"{name}, {title} over all float32 inputs"
                found += shortfalls(what, figures, max_ulp, f"x = {figures.worst_at!r}")
        return found

    def assert_accurate(self, max_ulp: float = 4) -> None:
        """Raise unless every contender's value and derivative are accurate everywhere.

        Raises:
            OptionError: ``max_ulp`` is negative or NaN.
            AccuracyError: an AssertionError that says what is worse, by how much and at which input.
        """
        require_none(self.complaints(max_ulp), max_ulp)

    def as_dict(self) -> dict[str, Any]:
        """In plain dicts and numbers; NaN as strings, as in ``Comparison.as_dict``."""
        return dict(plain_data(self))

    def __str__(self) -> str:
        from symact.sweep_text import sweep_text

        return sweep_text(self)


def check_sweepable(formula: Formula) -> None:
    """Refuse a formula that has no single input to be swept.

    Raises:
        OptionError: it is one over an axis or of several inputs.
    """
    if not formula.is_univariate:
        raise OptionError(
            f"an exhaustive comparison takes elementwise formulas of one input; {formula.text!r} is another"
        )


def exhaust(
    compilation: Compilation,
    *,
    against: Iterable[str | Callable[[Any], Any]] = (),
    workers: int | str | Any | None = None,
    resume: str | os.PathLike[str] | None = None,
    chunks: Iterable[int] | None = None,
    progress: Progress | None = None,
) -> Exhaustive:
    """Judge value and derivative at every float32 input.

    Args:
        compilation: of the formula; symact's own contender is its emitted source.
        against: names of functions of the same formula (``keras.activations.gelu``, ``module:function``),
            or callables that can be sent to another process.
        workers: how many processes, default one a processor; or a ``dask.distributed.Client``, or the
            address of a Dask scheduler, ``dask://host:port``.
        resume: the journal file; default one in the user's cache directory, named for the job. Chunks
            that it holds are not done again.
        chunks: which chunks, default all; fewer give figures of a part.
        progress: called with chunks done, chunks wanted and seconds so far.

    Raises:
        OptionError: the formula or ``workers`` is refused, or a contender fails.
        OutputError: the journal belongs to another job or cannot be written.
        SymactError: a worker process died; run again to go on.
    """
    check_sweepable(compilation.formula)
    job = Job(compilation.formula, compilation.source, tuple(against))
    wanted = [i * _STRIDE % CHUNKS for i in range(CHUNKS)] if chunks is None else list(chunks)
    identity = job.identity()
    path = default_path(identity) if resume is None else Path(resume)
    began = time.monotonic()
    with Journal(path, identity) as journal:
        missing = [chunk for chunk in wanted if chunk not in journal.done]
        for count, (chunk, figures) in enumerate(_computed(job, missing, workers), 1):
            journal.append(chunk, figures)
            if progress is not None:
                progress(len(wanted) - len(missing) + count, len(wanted), time.monotonic() - began)
        # Added up in one order, whoever was done first, so that the figures are the same in every run.
        whole = added_up([journal.done[chunk] for chunk in sorted(wanted)])
    formula = compilation.formula
    columns = {
        column: {name: tallies[column].figures() for name, tallies in whole.tallies.items()}
        for column in ("value", "derivative")
    }
    return Exhaustive(
        formula=formula.text,
        name=formula.name,
        parameters=formula.defaults,
        chunks=len(wanted),
        of=CHUNKS,
        values=columns["value"],
        gradients=columns["derivative"],
        nan_lost=whole.nan_lost,
        seconds=time.monotonic() - began,
    )


def _computed(job: Job, chunks: list[int], workers: Any) -> Iterator[tuple[int, ChunkFigures]]:
    """The chunks' figures as they are finished."""
    if not chunks:
        return iter(())
    if workers is None or isinstance(workers, int):
        return _by_processes(job, chunks, workers or os.cpu_count() or 1)
    if isinstance(workers, str) and not workers.startswith(DASK):
        raise OptionError(f"workers must be a number, {DASK}host:port or a Dask client, not {workers!r}")
    return _by_dask(job, chunks, workers)


def _by_processes(job: Job, chunks: list[int], count: int) -> Iterator[tuple[int, ChunkFigures]]:
    try:
        pickle.dumps(job)
    except (pickle.PicklingError, AttributeError, TypeError):
        raise OptionError(
            "against holds a function that cannot be sent to another process; name it as module:function"
        ) from None
    # Spawned: TensorFlow's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, context, initializer=_start_worker, initargs=(os.getcwd(), os.getpid()))
    try:
        with children_end_too():
            with deaf_children():
                futures = {pool.submit(judge_chunk, job, chunk): chunk for chunk in chunks}
            for future in as_completed(futures):
                yield futures.pop(future), future.result()
    except BrokenProcessPool:
        raise SymactError("a worker process died; run the same command again to go on from there") from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _start_worker(directory: str, parent: int) -> None:
    """One thread a process, quiet, and with modules of the parent's directory within reach."""
    leave_with(parent)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.path.insert(0, directory)
    # What contenders print is not to be among the figures.
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _by_dask(job: Job, chunks: list[int], workers: Any) -> Iterator[tuple[int, ChunkFigures]]:
    try:
        from distributed import Client
        from distributed import as_completed as dask_completed
    except ImportError:
        raise OptionError("workers on Dask need it installed: pip install 'symact[dask]'") from None
    if isinstance(workers, Client):
        client, own = workers, False
    elif isinstance(workers, str) and workers.startswith(DASK):
        try:
            client, own = Client("tcp://" + workers.removeprefix(DASK), timeout=20), True
        except (OSError, TimeoutError, ValueError) as error:
            raise OptionError(f"no Dask scheduler answers at {workers}: {error}") from None
    else:
        raise OptionError(f"workers must be a number, {DASK}host:port or a Dask client, not {workers!r}")
    try:
        # Dask runs a lost worker's chunks again on another one by itself.
        futures = {client.submit(judge_chunk, job, chunk, pure=False): chunk for chunk in chunks}
        for future, figures in dask_completed(list(futures), with_results=True):
            yield futures.pop(future), figures
            future.release()
    finally:
        if own:
            client.close()
