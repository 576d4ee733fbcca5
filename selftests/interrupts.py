# SPDX-License-Identifier: GPL-2.0
"""Signals that end a command, and the start of child processes.

A Python handler that raises an exception may run inside subprocess.Popen: the child process is there, and nobody knows
its number.
"""

import contextlib
import signal
import threading

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def held():
    """Holds back the signals of ENDING. A signal that comes inside the block is handled at the end of the block.

    Start a child process inside the block, and put the block into the `try` that ends the child process. Signals
    without a Python handler are left alone, because a child process inherits what is ignored. Python runs its handlers
    in the main thread, so the block has no effect in another thread.
    """
    came, before = [], {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in ENDING if callable(signal.getsignal(number))}
    for number in before:
        signal.signal(number, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number, frame in came:
            before[number](number, frame)
