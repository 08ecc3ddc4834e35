"""docs/security/asvs.md: complete, and every test that it names is there."""

import functools
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/security/asvs.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (V\d+\.\d+\.\d+) \| (.+?) \| (.+) \|$", PAGE, re.M)

# ASVS 5.0.0, requirements of levels 1 and 2: how many there are of each section, but for those of level 3, which are left out.
SECTIONS = {"V4.1": 3, "V4.2": 1, "V4.3": 2, "V4.4": 4, "V6.1": 3, "V6.2": 12, "V6.3": 4, "V6.4": 4, "V6.5": 5, "V6.6": 3, "V6.8": 4,
            "V7.1": 3, "V7.2": 4, "V7.3": 2, "V7.4": 5, "V7.5": 2, "V7.6": 2, "V8.1": 2, "V8.2": 3, "V8.3": 1, "V8.4": 1, "V9.1": 3,
            "V9.2": 4, "V17.1": 1}
SIGNALLING = ["V17.3.1", "V17.3.2"]     # V17.2 is of media servers, which we have none of
REASONS = ("does not apply", "not met", "operator")


def test_every_requirement_has_a_row():
    wanted = [f"{section}.{n + 1}" for section, count in SECTIONS.items() for n in range(count)] + SIGNALLING
    assert [id_ for id_, _, _ in ROWS] == wanted and len(wanted) == 80


@functools.lru_cache(maxsize=None)
def named_in(path):
    file = ROOT / path
    assert file.exists(), f"there is no {path}"
    text = file.read_text(encoding="utf-8")
    pattern = {".py": r"^(?:async )?def (test_\w+)", ".c": r"cmocka_unit_test\w*\(\s*(\w+)", ".mjs": r"^test\(\s*'((?:[^'\\]|\\.)*)'"}[file.suffix]
    return set(re.findall(pattern, text, re.M))


@pytest.mark.parametrize("id_, how", [(id_, how) for id_, _, how in ROWS], ids=[id_ for id_, _, _ in ROWS])
def test_its_tests_exist(id_, how):
    named = re.findall(r"`(tests/[\w/.]+\.(?:py|c|mjs))(?:::([^`]+))?`", how)
    found = 0
    for path, name in named:
        if path.startswith("tests/peal/"):
            assert (ROOT / path).exists(), f"{id_}: there is no {path}"
            continue
        assert named_in(path), f"{id_}: there is no test in {path}"
        assert not name or name in named_in(path), f"{id_}: there is no {name} in {path}"
        found += 1
    assert found or how.startswith(REASONS) or any(f" {r}" in how for r in REASONS), f"{id_}: neither a test nor a reason"
    for file in re.findall(r"(?<![\w`/])(docs/[\w.]+\.(?:md|yaml))", how):
        assert (ROOT / file).exists(), f"{id_}: there is no {file}"
