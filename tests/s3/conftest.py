"""An object store for tests, tests/s3/server.mjs as a process, and a stack whose files go there."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time

import prepare
import pytest

from peal.files import under

HERE = pathlib.Path(__file__).resolve().parent
KEY = "S3RVER\nS3RVER\n"    # the only account that this server has


class Store:
    """It has the bucket `peal`; what it holds lies below `folder`."""

    def __init__(self, folder):
        from stack import free_port
        self.folder, self.port, self.process = folder, free_port(), None
        self.key_file = folder / "key"
        self.key_file.write_text(KEY)
        self.key_file.chmod(0o644)      # the stack's user reads it
        self.log = folder / "log"

    @property
    def settings(self):
        return {"media_store": "s3", "s3_endpoint": f"http://127.0.0.1:{self.port}", "s3_bucket": "peal", "s3_key_file": self.key_file,
                "s3_region": "eu-test-1", "s3_timeout_seconds": 10, "s3_part_mib": 5}

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["/usr/bin/setpriv", "--pdeathsig", "TERM", "--", "node", HERE / "server.mjs", self.folder, str(self.port)],
                stdout=log, stderr=log, cwd=HERE)
        until = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            assert self.process.poll() is None and time.monotonic() < until, self.log.read_text()
            time.sleep(0.05)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
        self.process = None

    def requests(self):
        """What it was asked so far: "METHOD path status" each."""
        return [line for line in self.log.read_text(errors="replace").splitlines() if re.fullmatch(r"[A-Z]+ /\S* \d+", line)]

    def fail(self, *faults):
        """What is to go wrong from now on: (pattern of "METHOD path", status, how often, body)."""
        fresh = self.folder / "faults.new"
        fresh.write_text(json.dumps([dict(zip(("match", "status", "times", "body"), f)) for f in faults]))
        fresh.rename(self.folder / "faults")

    def names(self, attachment=None):
        """The keys that it holds, of one attachment or all."""
        root = self.folder / "data" / "peal"
        found = sorted(str(p.relative_to(root))[:-len("._S3rver_object")] for p in under(root) if p.name.endswith("._S3rver_object"))
        return [n for n in found if not attachment or n.startswith(f"ren/{attachment[:2]}/{attachment}/")]

    def path(self, key):
        return self.folder / "data" / "peal" / f"{key}._S3rver_object"


@pytest.fixture(scope="module")
def store():
    """Its folder is open to the stack's user, unlike those of pytest."""
    prepare.modules(HERE)
    with tempfile.TemporaryDirectory(prefix="peal-s3-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        made = Store(pathlib.Path(folder))
        made.start()
        yield made
        made.stop()


@pytest.fixture(scope="module")
def stack(new_stack, store):
    made = new_stack(settings=store.settings)
    with made:
        yield made


@pytest.fixture
def pair(stack):
    from peal.people import pair as make_pair
    return make_pair(stack)
