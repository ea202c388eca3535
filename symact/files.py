"""Files: text written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from symact.errors import OutputError


def write_atomically(path: str | os.PathLike[str], content: str | bytes, *, force: bool = False) -> None:
    """Write ``content`` to ``path`` in one step, text as UTF-8; a file is replaced only with ``force``.

    Raises:
        OutputError: the file exists, or its folder cannot be written to. Nothing is left behind.
    """
    write_together({path: content}, force=force)


def write_together(files: Mapping[str | os.PathLike[str], str | bytes], *, force: bool = False) -> None:
    """Write all of ``files``, path → content, or none of them; otherwise as ``write_atomically``."""
    # Of a link the file that it leads to is written, as every editor does.
    targets = [path.resolve() if path.is_symlink() else path for path in map(Path, files)]
    for target in targets:
        _check(target, force)
    temporaries: list[Path] = []
    placed: list[Path] = []
    target = targets[0]
    try:
        for target, content in zip(targets, files.values(), strict=True):
            temporaries.append(_temporary(target, content))
        for target, temporary in zip(targets, temporaries, strict=True):
            if force:
                os.replace(temporary, target)
            else:
                os.link(temporary, target)  # fails, rather than overwrites, if it appeared meanwhile
                placed.append(target)
    except OSError as error:
        for path in placed:
            path.unlink(missing_ok=True)
        raise OutputError(f"cannot write {target}: {error.strerror}") from None
    finally:
        for temporary in temporaries:
            temporary.unlink(missing_ok=True)


def _check(target: Path, force: bool) -> None:
    if target.is_dir():
        raise OutputError(f"cannot write {target}: it is a directory; name a file in it")
    if target.exists() and not target.is_file():
        raise OutputError(f"cannot write {target}: it is no file; without an output, text goes to stdout")
    if target.exists() and not force:
        raise OutputError(f"{target} exists; pass --force (force=True) to overwrite it")
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {target}: there is no directory {target.parent}")


def _temporary(target: Path, content: str | bytes) -> Path:
    """A file beside ``target`` that holds ``content``."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        # mkstemp makes files private; the user's own default applies to files they asked for.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)
