"""The provider of tests, npm's oidc-provider, as a process."""

import fcntl
import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent


def modules():
    """npm ci, unless it was done before with this lock file."""
    import prepare
    env = {**os.environ, "npm_config_update_notifier": "false"}
    (prepare.BUILD).mkdir(exist_ok=True)
    with open(prepare.BUILD / ".oidc.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = HERE / "node_modules" / ".peal-stamp"
        want = (HERE / "package-lock.json").read_text(encoding="utf-8")
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != want:
            prepare.run(["npm", "ci", "--no-progress"], "npm ci in tests/oidc", cwd=HERE, env=env)
            stamp.write_text(want, encoding="utf-8")


@pytest.fixture(scope="module")
def start_provider():
    """start_provider(port, redirect_uri, secret, names): runs until the module ends."""
    modules()
    running = []

    def start(port, redirect, secret="", names="id"):
        process = subprocess.Popen(["/usr/bin/setpriv", "--pdeathsig", "TERM", "--", "node", HERE / "provider.mjs", str(port), redirect, secret, names],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        running.append(process)
        assert process.stdout.readline().strip() == "ready", "the provider did not start"
        return process

    yield start
    for process in running:
        process.terminate()
        process.wait(10)
