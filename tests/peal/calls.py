"""What processes ask of the kernel, by strace."""

import contextlib
import itertools
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest


@contextlib.contextmanager
def watched(pids, out, names, *options):
    """Which of these system calls the processes, and all that they fork, make is written to `out`."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    tracer = subprocess.Popen(["strace", "-f", "-q", *options, "-e", f"trace={names}", "-o", out,
                               *itertools.chain.from_iterable(("-p", str(p)) for p in pids)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        end = time.monotonic() + 10
        while not all(re.search(rf"TracerPid:\t{tracer.pid}\n", pathlib.Path(f"/proc/{p}/status").read_text()) for p in pids):
            if tracer.poll() is not None:
                pytest.skip(f"nobody may be traced here: {tracer.stderr.read().decode()[:200]}")
            assert time.monotonic() < end, "strace does not begin"
            time.sleep(0.02)
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(20)
        tracer.stderr.close()
