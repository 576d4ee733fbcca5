# SPDX-License-Identifier: GPL-2.0
"""Files that are written whole or not at all."""

import os
import tempfile


def write_whole(path, text):
    """Writes a file beside its place first, and renames it then: it is whole even if the machine crashes meanwhile."""
    handle, beside = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=os.path.dirname(path) or ".")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
