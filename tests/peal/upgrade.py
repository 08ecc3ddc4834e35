"""The binary upgrade of peal-push: SIGUSR2, and the new process is the service from then on, as it is to systemd."""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import time

PR_SET_CHILD_SUBREAPER = 36


class Adopted:
    """A process that another one has started, as far as dev/stack.py uses a Popen."""

    def __init__(self, pid):
        self.pid, self.returncode = pid, None
        self.fd = os.pidfd_open(pid)

    def poll(self):
        if self.returncode is None and select.select([self.fd], [], [], 0)[0]:
            self.returncode = self._collect()
        return self.returncode

    def _collect(self):
        """It is our child once the one that started it has gone."""
        os.close(self.fd)
        try:
            return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        except ChildProcessError:
            return 0

    def wait(self, timeout=None):
        until = time.monotonic() + (timeout if timeout is not None else 1e9)
        while self.poll() is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("adopted", timeout)
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, sig):
        with contextlib.suppress(ProcessLookupError):
            if self.returncode is None:
                os.kill(self.pid, sig)


def _mainpid(service, timeout):
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if select.select([service.notify], [], [], 0.05)[0]:
            for word in service.notify.recv(4096).split(b"\n"):
                if word.startswith(b"MAINPID="):
                    return int(word[8:])
    return None


def upgrade(stack, name, timeout=30):
    """Starts the successor and waits until it has taken over. Returns the process of before, which drains."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    service = stack.services[name]
    old = service.process
    old.send_signal(signal.SIGUSR2)
    pid = _mainpid(service, timeout)
    assert pid, f"{name} has no successor after {timeout} s:\n{service.tail()}"
    service.process = Adopted(pid)
    return old
