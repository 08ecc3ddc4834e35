"""The write functions in pgTAP (sql/tests), and the migrations themselves."""

import pathlib
import re
import subprocess

import pytest

from stack import PG_BIN, StackError

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "sql" / "tests").glob("*.sql"))


@pytest.fixture(scope="module")
def tap(stack):
    """A database of its own with the migrations and pgTAP in it."""
    stack.psql("CREATE DATABASE tap OWNER peal_owner", database="postgres")
    for migration in sorted((ROOT / "sql").glob("[0-9]*.sql")):
        stack.psql(migration.read_text(), user="peal_owner", database="tap")
    stack.psql("CREATE TABLE schema_migration (version integer)", user="peal_owner", database="tap")
    stack.psql("CREATE EXTENSION pgtap", database="tap")
    return stack


@pytest.mark.parametrize("ahead", [False, True])
def test_a_database_from_before_it_knew_its_home(stack, ahead):
    """Its numbers say whether it comes from elsewhere."""
    name = f"before{ahead}".lower()
    stack.psql(f"CREATE DATABASE {name} OWNER peal_owner", database="postgres")
    for migration in sorted((ROOT / "sql").glob("[0-9]*.sql")):
        if migration.name.startswith("0034_") and ahead:
            stack.psql("UPDATE search_state SET xid = '1000000000000'", database=name)
        stack.psql(migration.read_text(), user="peal_owner", database=name)
    assert stack.psql("SELECT home = log_home() FROM peal_meta", database=name) == ("f" if ahead else "t")


def run_tap(stack, path):
    out = subprocess.run([PG_BIN / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", stack.dsn("postgres", "tap")],
                         input=path.read_text(), capture_output=True, text=True)
    return out.returncode, [line for line in out.stdout.splitlines() if line], out.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_tap(tap, path):
    status, lines, errors = run_tap(tap, path)
    assert status == 0, errors
    assert not [line for line in lines if line.startswith("not ok") or line.startswith("#")], "\n".join(lines)
    planned = int(re.fullmatch(r"1\.\.(\d+)", lines[0]).group(1))
    assert sum(line.startswith("ok ") for line in lines) == planned


def test_statements_agree_with_the_schema(stack):
    assert re.match(r"\d+ statements agree", stack.pealctl("check-sql").stdout)


@pytest.fixture
def migrations(stack):
    """A folder with copies of the migrations, to be spoilt."""
    folder = stack.dir / "spoilt"
    folder.mkdir(mode=0o755)
    for migration in sorted((ROOT / "sql").glob("[0-9]*.sql")):
        (folder / migration.name).write_text(migration.read_text())
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def test_migrating_again_changes_nothing(stack, migrations):
    before = stack.psql("SELECT * FROM schema_migration ORDER BY version")
    assert before
    stack.pealctl("migrate", "--dir", migrations)
    assert stack.psql("SELECT * FROM schema_migration ORDER BY version") == before


def test_a_changed_migration_is_refused(stack, migrations):
    first = min(migrations.iterdir())
    first.write_text(first.read_text() + "-- changed\n")
    with pytest.raises(StackError, match="was changed after it had been applied"):
        stack.pealctl("migrate", "--dir", migrations)


def test_a_missing_migration_is_refused(stack, migrations):
    min(migrations.iterdir()).unlink()
    with pytest.raises(StackError, match="migration 0001 is missing"):
        stack.pealctl("migrate", "--dir", migrations)


def test_a_failing_migration_leaves_nothing(stack, migrations):
    known = len(list(migrations.iterdir()))
    (migrations / f"{known + 1:04}_bad.sql").write_text("CREATE TABLE half (); SELECT 1 / 0;")
    with pytest.raises(StackError, match="division by zero"):
        stack.pealctl("migrate", "--dir", migrations)
    assert stack.psql("SELECT to_regclass('half') IS NULL") == "t"
    assert stack.psql("SELECT max(version) FROM schema_migration") == str(known)


def test_status_tells_what_is_pending(stack, migrations):
    known = len(list(migrations.iterdir()))
    (migrations / f"{known + 1:04}_later.sql").write_text("SELECT 1;")
    lines = stack.pealctl("migrate", "--dir", migrations, "--status").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["applied"] * known + ["pending"]
