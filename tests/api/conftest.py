"""Fixtures of the API tests; `stack` comes from tests/conftest.py."""

import pytest

from peal.people import Person, pair as make_pair
from peal.rest import Client


@pytest.fixture
def anonymous(stack):
    client = Client(stack.url)
    yield client
    client.close()


@pytest.fixture
def person(stack):
    return Person(stack)


@pytest.fixture
def pair(stack):
    return make_pair(stack)
