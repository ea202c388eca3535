"""Journal: finished chunks, a line each in an append-only file, so that a killed sweep goes on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

from symact.errors import OutputError
from symact.sweep import ChunkFigures


def default_path(identity: Mapping[str, str]) -> Path:
    """Where the journal of a job lies unless told otherwise: in the user's cache directory."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    whole = hashlib.sha256(json.dumps(sorted(identity.items())).encode()).hexdigest()[:24]
    return Path(cache) / "symact" / f"sweep-{whole}.jsonl"


class Journal:
    """The journal of one job, open for appending; a context manager.

    The first line names the job; each later one is a chunk's number and figures. A line that was cut
    short by a kill is dropped. The file is locked, so that two runs cannot write to one journal.

    Args:
        path: the file; created with its folder.
        identity: of the job: what it is made of → hash of that.

    Raises:
        OutputError: the file belongs to another job, is in use, is no journal, or cannot be written.
    """

    def __init__(self, path: Path, identity: Mapping[str, str]) -> None:
        self.path, self._identity = path, dict(identity)
        self.done: dict[int, ChunkFigures] = {}

    def __enter__(self) -> Journal:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = open(self.path, "a+b")
        except OSError as error:
            raise OutputError(f"cannot write the journal {self.path}: {error.strerror}") from None
        try:
            self._lock()
            self._read()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, chunk: int, figures: ChunkFigures) -> None:
        """Enter a finished chunk; it is on the disk when this returns."""
        self.done[chunk] = figures
        self._write({"chunk": chunk, **figures.as_dict()})

    def _write(self, entry: dict[str, object]) -> None:
        try:
            # NaN and Infinity as Python's json writes and reads them; nobody else reads this file.
            self._file.write(json.dumps(entry).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OutputError(f"cannot write the journal {self.path}: {error.strerror}") from None

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # not on Windows
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OutputError(
                f"the journal {self.path} is in use by another run; name another file"
            ) from None

    def _read(self) -> None:
        self._file.seek(0)
        text = self._file.read()
        whole = text[: text.rfind(b"\n") + 1]
        if len(whole) < len(text):
            self._file.truncate(len(whole))
        lines = whole.splitlines()
        if not lines:
            self._write({"symact sweep": self._identity})
            return
        try:
            head, *entries = [json.loads(line) for line in lines]
            owner = dict(head["symact sweep"])
            found = {entry.pop("chunk"): ChunkFigures.from_dict(entry) for entry in entries}
        except (ValueError, KeyError, TypeError):
            raise OutputError(f"{self.path} is not a journal of symact; name another file") from None
        parts = {**self._identity, **owner}
        changed = [what for what in parts if owner.get(what) != self._identity.get(what)]
        if changed:
            raise OutputError(
                f"the journal {self.path} was begun with another {', '.join(changed)}; "
                "name another file, or delete it to begin anew"
            )
        self.done = found
