"""make test: builds what is to be tested, runs every kind of test, and sums up. The last line is `N passed, N failed`.

SAN=1 tests the build with AddressSanitizer and UBSan. TIER=2 makes the long tests long, TIER=3 adds the bare Debian in a container.
SEED=n decides what is left to chance. ONLY=unit,api runs some parts. Two parts run at a time, each on stacks of its own; those that measure or kill run alone.
"""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as xml

import prepare
from stack import ROOT, _sanitizer_env

SAN = os.environ.get("SAN", "0") not in ("", "0")
TIER = int(os.environ.get("TIER") or 1)
KIND = "san" if SAN else "test"
PART_SECONDS = 1800 * TIER
OUT = ROOT / "tests" / "out"


class Result:
    """What one part came to."""

    def __init__(self, passed=0, failed=0, skipped=0, text=""):
        self.passed, self.failed, self.skipped, self.text = passed, failed, skipped, text

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        if other.failed:
            self.text += other.text

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed" + (f", {self.skipped} skipped" if self.skipped else "")


def execute(argv, seconds=PART_SECONDS, **env):
    """(exit code, output). It ends with us, and at the latest after so many seconds."""
    try:
        out = subprocess.run(["/usr/bin/setpriv", "--pdeathsig", "INT", "--", *map(str, argv)], cwd=ROOT, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=seconds, check=False,
                             env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **_sanitizer_env(), **env})
    except subprocess.TimeoutExpired as e:
        return -1, (e.stdout or b"").decode(errors="replace") + f"\nnot finished after {seconds} s\n"
    return out.returncode, out.stdout


def from_tap(name, code, text):
    """A program that prints TAP, as cmocka does when asked."""
    lines = re.findall(r"^(?:not )?ok \d+.*$", text, re.M)
    skipped = sum("# SKIP" in line for line in lines)
    ok = [line for line in lines if line.startswith("ok") and "# SKIP" not in line]
    bad = len(lines) - len(ok) - skipped
    if code and not bad:
        bad, text = 1, text + f"\n{name} ended with code {code}\n"
    if not lines and not bad:
        bad, text = 1, text + f"\n{name} ran no test\n"
    return Result(len(ok), bad, skipped, f"--- {name}\n{text}\n")


def unit():
    total = Result()
    for program in sorted((ROOT / "build" / KIND / "unit").glob("test_*")):
        if (ROOT / "tests" / "unit" / f"{program.name}.c").exists():
            total.add(from_tap(program.name, *execute([program], 600, CMOCKA_MESSAGE_OUTPUT="TAP")))
    return total


LONG_FUZZ = ("ws", "inflate", "frames", "fastcgi")      # what the whole internet may send, and what workers answer
LONG_FUZZ_SECONDS = 600


def fuzz():
    """Every fuzz target over its seeds, what long runs found worth keeping, and what once crashed it; each input is a test. TIER=2: some look for new ones."""
    total = Result()
    for name in LONG_FUZZ if TIER >= 2 else ():
        code, text = execute(["make", "--no-print-directory", "fuzz", f"FUZZ={name}", f"SECONDS={LONG_FUZZ_SECONDS}"], LONG_FUZZ_SECONDS + 600)
        total.add(Result(0, 1, 0, f"--- fuzzing {name}\n{text}\n") if code else Result(1))
    for program in sorted((ROOT / "build" / KIND / "fuzz").glob("fuzz_*")):
        if not (ROOT / "tests" / "fuzz" / f"{program.name}.c").exists():
            continue
        name = program.name.removeprefix("fuzz_")
        inputs = sorted(p for folder in ("seed", "corpus", "crash") for p in (ROOT / "tests" / "fuzz" / folder / name).glob("*"))
        code, text = execute([program, *inputs], 600)
        if not inputs:
            code, text = 1, f"{name} has no seeds\n"
        total.add(Result(0, 1, 0, f"--- fuzz {name}\n{text}\n") if code else Result(len(inputs)))
    return total


def web():
    """Unit tests of the SDK, by Node's own runner."""
    if not any((ROOT / "web" / "test").glob("*.test.ts")):
        return Result()
    code, text = execute(["npm", "--silent", "--prefix", "web", "test"], 600, NO_COLOR="1")
    counts = {k: int(n) for k, n in re.findall(r"^(?:#|ℹ) (pass|fail|cancelled|skipped) (\d+)", text, re.M)}
    failed = counts.get("fail", 0) + counts.get("cancelled", 0)
    if "pass" not in counts or (code and not failed):
        failed = max(failed, 1)
    return Result(counts.get("pass", 0), failed, counts.get("skipped", 0), f"--- web\n{text}\n")


def pytest(*args, **env):
    def run():
        with tempfile.NamedTemporaryFile(suffix=".xml") as report:
            code, text = execute(["/usr/bin/python3", "-m", "pytest", "-q", "-rfE", "--color=no", "-p", "no:cacheprovider", "--tb=short",
                                  "-o", "faulthandler_timeout=300", f"--kind={KIND}", f"--junitxml={report.name}", *args],
                                 TIER=str(TIER), **env)
            try:
                cases = list(xml.parse(report.name).getroot().iter("testcase"))
            except xml.ParseError:
                cases = []
        failed = sum(c.find("failure") is not None or c.find("error") is not None for c in cases)
        skipped = sum(c.find("skipped") is not None for c in cases)
        if not failed and (code or not cases):
            failed, text = 1, text + f"\npytest ended with code {code}\n"
        broken = sum(c.find("failure") is not None or c.find("error") is not None for c in cases)
        notes = "\n".join(line for line in text.splitlines() if line.startswith("figures:"))
        result = Result(len(cases) - broken - skipped, failed, skipped, f"--- pytest {' '.join(args)}\n{text}\n")
        result.notes = notes
        return result
    return run


# name, what it runs, whether it runs alone
PARTS = [
    ("unit", unit, False),
    ("fuzz", fuzz, False),
    ("web", web, False),
    ("tree", pytest("tests/tree"), False),
    ("docs", pytest("tests/docs"), False),
    ("install", pytest("tests/install"), False),
    ("sql", pytest("tests/sql"), False),
    ("api", pytest("tests/api"), False),
    ("oidc", pytest("tests/oidc"), False),
    ("oracle", pytest("tests/api", "tests/oracle", ORACLE="1"), False),     # the same under row-level security
    ("site", pytest("tests/site"), False),
    ("stack", pytest("tests/stack"), False),
    ("jobs", pytest("tests/jobs"), False),
    ("notify", pytest("tests/notify"), False),
    ("search", pytest("tests/search"), False),
    ("push", pytest("tests/push"), False),
    ("media", pytest("tests/media"), False),
    ("tus", pytest("tests/tus"), False),
    ("s3", pytest("tests/s3"), False),
    ("browser", pytest("tests/browser"), False),
    ("run", pytest("tests/run"), False),
    ("bench", pytest("tests/bench"), False),
    ("plans", pytest("tests/plans"), False),
    ("chaos", pytest("tests/chaos", "-s"), True),
]


def booted(name, *argv):
    """Boots a container; prints a line `ok: ...` or `NOT OK: ...` for everything it looked at."""
    def run():
        code, text = execute(argv, 7200)
        ok, bad = (len(re.findall(rf"^{word}: ", text, re.M)) for word in ("ok", "NOT OK"))
        if not bad and (code or not ok):
            bad, text = 1, text + f"\n{name} ended with code {code}\n"
        result = Result(ok, bad, 0, f"--- {name}\n{text}\n")
        result.notes = "\n".join(line for line in text.splitlines() if line.startswith("figures:"))
        return result
    return run


if TIER >= 3:
    PARTS += [("nspawn", booted("nspawn", "bash", "tests/tools/nspawn.sh"), True),
              ("boot", booted("boot", "/usr/bin/python3", "tests/install/boot.py"), True)]


def has_tests(name):
    """Folders are added before their first test is."""
    return name in ("web", "nspawn", "boot") or any(any((ROOT / "tests" / name).glob(pattern)) for pattern in ("test_*", "fuzz_*.c"))


def chosen():
    only = [w for w in re.split(r"[,\s]+", os.environ.get("ONLY", "")) if w]
    if only == ["check-sql"]:
        return [("check-sql", pytest("tests/sql", "-k", "statements_agree"), False)]
    unknown = set(only) - {name for name, _, _ in PARTS}
    if unknown:
        sys.exit(f"ONLY={','.join(sorted(unknown))}: the parts are {', '.join(name for name, _, _ in PARTS)}")
    return [p for p in PARTS if (not only or p[0] in only) and has_tests(p[0])]


def build(parts):
    names = {name for name, _, _ in parts}
    began = time.monotonic()
    failed = []

    def client():
        try:
            prepare.web()
        except prepare.PrepareError as e:
            failed.append(e)

    thread = threading.Thread(target=client, daemon=True)
    thread.start()
    targets = ["build"] + (["unit-build"] if "unit" in names else []) + (["fuzz-build"] if "fuzz" in names else [])
    prepare.build(KIND, *targets)
    if names & {"tree", "run"}:
        prepare.build("release")
    prepare.contract()
    while thread.is_alive():
        thread.join(0.2)
    if failed:
        raise failed[0]
    if "install" in names:
        prepare.build("release", "all")
    print(f"  built {KIND:<32}{time.monotonic() - began:6.1f} s", flush=True)


def codes(folder):
    """Every code of lib/base/err.h was seen by some test: a test of its own, once all parts have run."""
    sys.path.insert(0, str(ROOT / "tests"))
    from peal import seen
    missing = seen.missing(folder)
    return Result(0, len(missing), 0, "--- codes\n" + "\n".join(missing) + "\n") if missing else Result(1)


def timed(part):
    name, run, _ = part
    began = time.monotonic()
    result = run()
    print(f"  {name:<10}{str(result):<28}{time.monotonic() - began:6.1f} s", flush=True)
    if getattr(result, "notes", ""):
        print("\n".join(f"      {line}" for line in result.notes.splitlines()), flush=True)
    return result


def choose_seed():
    """Chance is the commit's: whoever tests it, tests the same, and the next commit something else. TIER=2 and more draw anew each time."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    if TIER == 1 and head.returncode == 0:
        os.environ.setdefault("SEED", str(int(head.stdout[:7], 16)))
    if os.environ.get("SEED"):
        print(f"  SEED={os.environ['SEED']}", flush=True)


def main():
    parts = chosen()
    choose_seed()
    OUT.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    total = Result()
    os.environ["PEAL_SEEN"] = folder = tempfile.mkdtemp(prefix="peal-seen-")
    try:
        build(parts)
        with concurrent.futures.ThreadPoolExecutor(2) as lanes:
            for result in lanes.map(timed, [p for p in parts if not p[2]]):
                total.add(result)
        for part in parts:
            if part[2]:
                total.add(timed(part))
        if len(parts) >= len(PARTS):
            total.add(timed(("codes", lambda: codes(folder), True)))
    except prepare.PrepareError as e:
        total.add(Result(0, 1, 0, f"{e}\n"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if total.text:
        print(f"\n{total.text}")
    print(f"  in {time.monotonic() - began:.0f} s")
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
