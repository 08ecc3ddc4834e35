"""Debian's coturn takes what /calls/ice-servers hands out, and nothing else."""

import time

import pytest

from peal import turn
from peal.people import Person

PORT, TLS_PORT = turn.free_port(), turn.free_port()
SECONDS = 6
STACK = {"settings": {"call_stun_urls": f"stun:127.0.0.1:{PORT}", "call_turn_seconds": SECONDS,
                      "call_turn_urls": f"turn:127.0.0.1:{PORT}?transport=udp turns:127.0.0.1:{TLS_PORT}?transport=tcp"}}
QUOTA = 3


@pytest.fixture(scope="module")
def secret(stack):
    return (stack.dir / "keys" / "turn.secret").read_text().strip()


@pytest.fixture(scope="module")
def coturn(stack, secret):
    with turn.Coturn(stack.dir, secret, as_user=stack.as_user, port=PORT, tls_port=TLS_PORT, more=["static-auth-secret=the-secret-of-tomorrow"]) as server:
        yield server


def given(person):
    server = person.rest.get("/calls/ice-servers", expect=200)["ice_servers"][-1]
    return server["username"], server["credential"]


def test_what_we_hand_out_is_taken(stack, coturn):
    username, credential = given(Person(stack))
    with turn.Turn(PORT, username, credential) as client:
        assert client.allocate()[0] == 0
        assert client.refresh(0)[0] == 0


def test_data_passes(stack, coturn):
    """Between two people, of whom one gets out by TLS only."""
    with turn.Turn(PORT, *given(Person(stack))) as one, turn.Turn(TLS_PORT, *given(Person(stack)), tls=True) as other:
        (code, mine), (code2, theirs) = one.allocate(), other.allocate()
        assert (code, code2) == (0, 0)
        assert (one.permit("127.0.0.1")[0], other.permit("127.0.0.1")[0]) == (0, 0)
        one.say(turn.Turn.relayed(theirs), b"can you hear me?")
        assert other.hear() == b"can you hear me?"
        other.say(turn.Turn.relayed(mine), b"yes")
        assert one.hear() == b"yes"


@pytest.mark.parametrize("spoil", [
    lambda u, c: (u, c[:-5] + ("AAAA=" if c[-5:] != "AAAA=" else "BBBB=")),
    lambda u, c: (f"{int(u.partition(':')[0]) + 1}:{u.partition(':')[2]}", c),          # good for longer
    lambda u, c: (f"{u.partition(':')[0]}:somebody-else", c),
    lambda u, c: (u, ""),
    lambda u, c: ("somebody", c),
])
def test_what_was_changed_is_refused(stack, coturn, spoil):
    with turn.Turn(PORT, *spoil(*given(Person(stack)))) as client:
        assert client.allocate()[0] == 401


def test_what_has_expired_is_refused_and_what_stands_goes_on(stack, coturn):
    """By the clock of coturn: its credentials are looked at when something begins."""
    username, credential = given(Person(stack))
    with turn.Turn(PORT, username, credential) as standing:
        assert standing.allocate()[0] == 0
        time.sleep(max(0, int(username.partition(":")[0]) - time.time()) + 1.5)
        with turn.Turn(PORT, username, credential) as late:
            assert late.allocate()[0] == 401
        assert standing.refresh()[0] == 0


def test_both_secrets_while_they_are_exchanged(stack, coturn, secret):
    person = Person(stack)
    file = stack.dir / "keys" / "turn.secret"
    before = given(person)
    file.write_text("the-secret-of-tomorrow\n")
    try:
        stack.reload("peal-fcgi")
        with turn.Turn(PORT, *before) as old, turn.Turn(PORT, *given(person)) as new:
            assert (old.allocate()[0], new.allocate()[0]) == (0, 0)
    finally:
        file.write_text(secret + "\n")
        stack.reload("peal-fcgi")


def test_nobody_gets_at_what_is_beside_it(stack, coturn):
    with turn.Turn(PORT, *given(Person(stack))) as client:
        assert client.allocate()[0] == 0
        assert client.permit("198.51.100.9")[0] == 0
        for address in ("10.0.0.1", "172.20.1.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "0.0.0.0"):
            assert client.permit(address)[0] == 403, address


def test_quotas_count_people(stack, secret, tmp_path):
    """As documented, loopback is refused; a person's devices share one quota, though each has credentials of its own."""
    a, b = Person(stack), Person(stack)
    with turn.Coturn(tmp_path, secret, peers_here=False, more=[f"user-quota={QUOTA}"]) as server:
        clients = []
        for i in range(QUOTA + 2):
            clients.append(turn.Turn(server.port, *given(a)))
            code = clients[-1].allocate()[0]
            assert (code == 0) == (i < QUOTA) and code in (0, 486), (i, code)
            time.sleep(1.05 if i == 0 else 0)       # credentials of another second, with another name before the colon
        with turn.Turn(server.port, *given(b)) as other:
            assert other.allocate()[0] == 0 and other.permit("127.0.0.1")[0] == 403
        for client in clients:
            client.socket.close()
        assert a.id not in (line.split("<")[-1] for line in server.log().splitlines()) and a.username not in server.log()
