"""lib/store against PostgreSQL: tests/store/test_store.c, in a database of its own beside the stack's."""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_store(stack, request):
    kind = request.config.getoption("kind")
    binary = ROOT / "build" / kind / "store" / "test_store"
    subprocess.run(["make", "-s", f"KIND={kind}", binary.relative_to(ROOT)], cwd=ROOT, check=True, capture_output=True)
    stack.psql("CREATE DATABASE store OWNER peal_owner", database="postgres")
    for migration in sorted((ROOT / "sql").glob("[0-9]*.sql")):
        stack.psql(migration.read_text(), user="peal_owner", database="store")
    out = subprocess.run([binary], env={**os.environ, "PEAL_TEST_DATABASE": stack.dsn("peal", "store")},
                         capture_output=True, text=True, timeout=120)
    assert out.returncode == 0, out.stdout[-3000:] + out.stderr[-3000:]
