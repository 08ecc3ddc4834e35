"""The provider of tests, npm's oidc-provider, as a process."""

import pathlib
import subprocess

import prepare
import pytest

HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def start_provider():
    """start_provider(port, redirect_uri, secret, names): runs until the module ends."""
    prepare.modules(HERE)
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
