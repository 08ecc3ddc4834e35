"""People who may do something on the whole server."""

from .people import Person


def make(stack, role, name="p"):
    """Somebody new with a role: `moderator` or `admin`."""
    person = Person(stack, name)
    stack.pealctl("user", "role", person.username, role)
    return person
