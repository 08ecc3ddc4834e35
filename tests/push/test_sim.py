"""The push daemon in a world that is made up (tests/sim): what must hold after every step, and that the simulator finds faults.

SEED=n repeats a world; TIER=2 or more takes many more."""

import os
import random
import subprocess

import pytest

from peal.contract import ROOT

TIER = int(os.environ.get("PEAL_TIER") or os.environ.get("TIER") or 1)
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1, 1 << 31))
STEPS = 400_000 if TIER == 1 else 5_000_000
WORLDS = 3 if TIER == 1 else 12
FAULTS = {1: "no last look at the log", 2: "heads before the subscription", 3: "an event that found the queue full", 4: "a cursor outlives its events",
          5: "the log is for everybody", 6: "set aside, taken for sent", 7: "`live` outlives its batches"}


@pytest.fixture(scope="module")
def sim(request):
    kind = request.config.getoption("kind")
    subprocess.run(["make", "-s", f"KIND={kind}", f"build/{kind}/sim"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return ROOT / "build" / kind / "sim"


def play(sim, seed, steps, fault=0):
    return subprocess.run([sim, str(seed), str(steps), str(fault)], capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.parametrize("n", range(WORLDS))
def test_a_world(sim, n):
    seed = SEED + n
    out = play(sim, seed, STEPS)
    assert out.returncode == 0, f"SEED={seed}\n{out.stdout}{out.stderr}"
    for word in ("pulls", "holes asked for", "cursors", "retries", "Redis lost", "stopped", "unacknowledged to the end"):
        assert word in out.stdout
    print(out.stdout)


@pytest.mark.parametrize("fault", FAULTS, ids=[v.replace(" ", "_") for v in FAULTS.values()])
def test_a_planted_fault_is_found(sim, fault):
    """In one of a few worlds, the same ones each time."""
    for seed in range(1, 13):
        out = play(sim, seed, 400_000, fault)
        if out.returncode == 0:
            assert f"seed {seed}, step" in out.stdout
            return
    raise AssertionError(f"nobody noticed: {FAULTS[fault]}\n{out.stdout}")
