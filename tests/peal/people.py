"""People of a test: accounts with unique names, their clients, and what they do most often."""

import itertools
import os
import uuid

from .rest import Client

PASSWORD = "a password of tests, long enough"
_numbers = itertools.count(1)
_run = f"{os.getpid():x}{uuid.uuid4().hex[:4]}"


class Person:
    """Somebody with an account, signed in."""

    def __init__(self, stack, name="p", password=PASSWORD):
        self.stack = stack
        self.username = f"{name}-{_run}-{next(_numbers)}"[:32]
        self.password = password
        self.rest = Client(stack.url)
        reply = self.rest.post("/auth/register", {"username": self.username, "password": password, "token_delivery": "body"}, expect=201)
        self.id = reply["user"]["id"]
        self.rest.token = reply["access_token"]
        self.refresh_token = reply["refresh_token"]

    @property
    def token(self):
        return self.rest.token

    def start(self, other):
        """The id of the direct conversation with `other`."""
        reply = self.rest.post(f"/conversations/{other.id}")
        assert reply.status in (200, 201), reply
        return reply["id"]

    def group(self, *others, name="The group", **more):
        """The id of a new group of mine, with these people in it."""
        body = {"type": "group", "name": name, "participant_ids": [o.id for o in others], **more}
        return self.rest.post("/conversations", body, expect=201)["id"]

    def say(self, conversation, content, client_id=None, **more):
        """A message, sent."""
        body = {"client_id": client_id or str(uuid.uuid4()), "message_type": "text", "content": content, **more}
        reply = self.rest.post(f"/conversations/{conversation}/messages", body, expect=201)
        return reply.json

    def history(self, conversation, **query):
        return self.rest.get(f"/conversations/{conversation}/messages", query=query, expect=200).json

    def conversation(self, conversation):
        return self.rest.get(f"/conversations/{conversation}", expect=200).json

    def listed(self, conversation):
        """The conversation as it stands in the list, or None."""
        cursor = {}
        while True:
            page = self.rest.get("/conversations", query=cursor, expect=200).json
            for item in page["items"]:
                if item["id"] == conversation:
                    return item
            if page["next_cursor"] is None:
                return None
            cursor = {"cursor": page["next_cursor"]}


def pair(stack):
    """Two people and their direct conversation, which both can see."""
    a, b = Person(stack, "ann"), Person(stack, "ben")
    conversation = a.start(b)
    a.say(conversation, "first")
    return a, b, conversation
