"""What a restore from a dump costs: pg_dump and pg_restore into another cluster, and beside them what `pealctl migrate` does afterwards.

    MESSAGES=1000000 ROUNDS=3 /usr/bin/python3 bench/restore.py     after make build; a table on standard output

The other cluster has given out fewer transaction numbers than the dump holds, so every row that has one is written anew.
"""

import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "dev"))

import bench  # noqa: E402
import data  # noqa: E402
from stack import PG_BIN, Stack  # noqa: E402

MESSAGES = int(os.environ.get("MESSAGES") or 1_000_000)
ROUNDS = int(os.environ.get("ROUNDS") or 3)
SPENT = 20_000      # transaction numbers: more than a cluster has given out that has just been made and restored to


def timed(*argv, **options):
    began = time.monotonic()
    out = subprocess.run(argv, check=True, capture_output=True, text=True, **options)
    return time.monotonic() - began, out.stdout


def main():
    print("| pg_dump | pg_restore | ANALYZE | pealctl migrate | rows renewed | migrate / pg_restore |\n|---|---|---|---|---|---|", flush=True)
    with Stack(kind="release", durable=True, settings=bench.SETTINGS, postgres=bench.POSTGRES) as stack:
        for name in [n for n in stack.services if n.startswith("peal-")]:
            stack.stop(name)
        timed(PG_BIN / "psql", "-Xq", "-d", stack.dsn(), input="SELECT pg_current_xact_id();\n" * SPENT)
        data.load(stack, data.Shape(10_000, 5_000, MESSAGES))
        file = stack.dir / "peal.dump"
        dumped, _ = timed(PG_BIN / "pg_dump", "-Fc", "-d", stack.dsn(), "-f", file)
        for _ in range(ROUNDS):
            stack.new_cluster()
            restored, _ = timed(PG_BIN / "pg_restore", "--exit-on-error", "-d", stack.dsn(), file)
            analyzed, _ = timed(PG_BIN / "psql", "-Xq", "-d", stack.dsn(), "-c", "ANALYZE")
            began = time.monotonic()
            rows = next(line for line in stack.pealctl("migrate", "--dir", stack.dir / "sql").stdout.splitlines() if line.startswith("applied"))
            migrated = time.monotonic() - began
            print(f"| {dumped:.1f} s | {restored:.1f} s | {analyzed:.1f} s | {migrated:.1f} s | {int(rows.split()[5]):,} | {migrated / restored:.2f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
