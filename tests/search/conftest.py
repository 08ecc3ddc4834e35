"""Fixtures of the tests of search; `stack` comes from tests/conftest.py."""

import pytest

from peal.people import Person, pair as make_pair


@pytest.fixture
def person(stack):
    return Person(stack)


@pytest.fixture
def pair(stack):
    return make_pair(stack)
