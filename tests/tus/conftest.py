"""Fixtures of the tests of uploads in pieces."""

import pytest

from peal.people import Person, pair as make_pair


@pytest.fixture
def pair(stack):
    return make_pair(stack)


@pytest.fixture(scope="module")
def someone(stack):
    return Person(stack, "sender")
