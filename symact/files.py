"""Files: text written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from symact.errors import OutputError


def write_atomically(path: str | os.PathLike[str], content: str | bytes, *, force: bool = False) -> None:
    """Write ``content`` to ``path`` in one step, text as UTF-8; a file is replaced only with ``force``.

    Raises:
        OutputError: the file exists, or its folder cannot be written to. Nothing is left behind.
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"cannot write {target}: it is a directory; name a file in it")
    if target.exists() and not force:
        raise OutputError(f"{target} exists; pass --force (force=True) to overwrite it")
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {target}: there is no directory {target.parent}")
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        # mkstemp makes files private; the user's own default applies to files they asked for.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        if force:
            os.replace(temporary, target)
        else:
            os.link(temporary, target)  # fails, rather than overwrites, if it appeared meanwhile
            os.unlink(temporary)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise OutputError(f"cannot write {target}: {error.strerror}") from None
