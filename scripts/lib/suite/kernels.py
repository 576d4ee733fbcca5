# SPDX-License-Identifier: GPL-2.0
"""The newest and the older Linux version that legs and runs use."""
import core


def _newest():
    rows = (core.ROOT / "kernel/versions").read_text(encoding="utf-8").splitlines()
    return next(row.split()[0] for row in rows if row.strip() and not row.startswith("#"))


# The newest version that has a series, and the version that a name without a version stands for (flavours.sh).
NEWEST, OLDER = _newest(), "6.12"
