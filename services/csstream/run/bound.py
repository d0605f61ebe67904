"""Run a program that ends when the process that started it ends, however that one ended.

Called by its path, without site packages, so that it costs a few hundredths of a second::

    python -I -S bound.py PARENT COMMAND…

It becomes the command by ``exec``, so the process keeps its number. On Linux the kernel kills it
when its parent is gone (``prctl(2)``, ``PR_SET_PDEATHSIG``, which ``exec`` keeps; the parent is
the *thread* that started it). Elsewhere a small process beside it looks once a second.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
LOOK_INTERVAL = 1.0  # [s]


def bound_command(command: Sequence[str]) -> list[str]:
    """Return the command line that runs ``command`` bound to this process."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def bind(parent: int) -> None:
    """Bind this process and what it becomes to its parent; exit where that is gone already."""
    if sys.platform == "linux":
        ask_kernel()
    else:
        start_watching(parent)
    if os.getppid() != parent:  # it has ended before we were bound
        sys.exit(1)


def ask_kernel() -> None:
    """Let the kernel kill this process when its parent ends.

    Raises
    ------
    OSError
        The kernel refuses.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")


def start_watching(parent: int) -> None:
    """Start a process that kills this one when its parent ends, and ends with it."""
    bound = os.getpid()
    if os.fork() == 0:
        watch(parent, bound)
        os._exit(0)


def watch(parent: int, bound: int) -> None:
    """Look until ``bound``, which started this process, has ended, or kill it after ``parent``."""
    while os.getppid() == bound:
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            os.kill(bound, signal.SIGKILL)
            return
        time.sleep(LOOK_INTERVAL)


def main() -> None:
    """Become the command."""
    parent, *command = sys.argv[1:]
    bind(int(parent))
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]} cannot be started: {error}")


if __name__ == "__main__":
    main()
