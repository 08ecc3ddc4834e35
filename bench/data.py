"""The data of the benchmark: people, conversations and messages as months of use leave them, made by COPY.

Activity follows Zipf's law: the conversation of rank r has a share of the messages in proportion to 1 / r^EXPONENT. Everything about a
conversation follows from its rank, so that a script of pgbench, which knows nothing but arithmetic, can draw the same ones. Messages
of all conversations are mixed in time, as they are in a real table. Columns that are not named here have their defaults.
"""

import hashlib
import io
import itertools
import random
import time
import uuid

EXPONENT = 1.001        # the least that pgbench's random_zipfian() takes
STEP = 31337            # a prime, so ranks are spread over all ids
DIRECT_SHARE = 0.9
GROUP_SIZES = (3, 4, 5, 6, 8, 12, 20)
DAYS = 25
CHUNK = 50000
WORDS = ("ja nein vielleicht tomorrow at nine the build is green again can you look at it please danke schön see you there lunch? I "
         "sent the figures yesterday \"works for me\" über café naïve 👍 done and done who has the key to room four").split()
NAMES = ("Ada Alan Barbara Cynthia Dennis Donald Edsger Frances Grace Hedy Jean John Kathleen Ken Leslie Lynn Margaret Niklaus Radia "
         "Robin Shafi Sophie Tim Tony").split()

# What people have read: seven in ten everything, the others all but a few. Also run between rounds, as if they had read since then.
READ = """
UPDATE member m SET read_seq = w.seq, receipt_seq = w.seq, delivered_seq = w.last_seq, mark_xid = pg_current_xact_id()
FROM (SELECT o.user_id, o.conversation_id, c.last_seq,
             greatest(0, c.last_seq - greatest(0, (o.user_id * 7 + o.conversation_id * 13) % 10 - 6)) AS seq
      FROM member o JOIN conversation c ON c.id = o.conversation_id) w
WHERE m.user_id = w.user_id AND m.conversation_id = w.conversation_id AND (m.read_seq, m.delivered_seq) <> (w.seq, w.last_seq)"""

# For Extremes: see mark().
MARKS = """
INSERT INTO message_mine (user_id, conversation_id, seq, starred_at)
SELECT sender_id, conversation_id, seq, created_at + interval '1 minute' FROM message WHERE (seq + conversation_id) % 20 = 0;
INSERT INTO message_mine (user_id, conversation_id, seq, starred_at)
SELECT user_id, conversation_id, 1, now() - conversation_id * interval '1 second' FROM member WHERE user_id = {busy} ON CONFLICT DO NOTHING;
INSERT INTO message_mine (user_id, conversation_id, seq, reactions, reacted_at)
SELECT user_id, conversation_id, 1001, ARRAY['👍'], now() FROM member WHERE conversation_id = {crowd} ON CONFLICT DO NOTHING;
INSERT INTO message_mine (user_id, conversation_id, seq, hidden_at)
SELECT {reader}, conversation_id, seq, now() FROM message WHERE conversation_id = {large} AND seq % 100 = 51 ON CONFLICT DO NOTHING;
INSERT INTO user_event (user_id, user_rev, kind, conversation_id, target_seq, xid, at)
SELECT user_id, row_number() OVER (PARTITION BY user_id ORDER BY starred_at, conversation_id, seq), 2, conversation_id, seq,
       least(502, 503 - floor(extract(epoch FROM now() - starred_at) / 86400 * 20))::bigint::text::xid8, least(starred_at, now())
FROM message_mine WHERE starred_at IS NOT NULL;
UPDATE users SET last_user_rev = n FROM (SELECT user_id, count(*) AS n FROM user_event GROUP BY user_id) e WHERE id = user_id;
UPDATE member SET hides = true WHERE user_id = {reader} AND conversation_id = {large};
UPDATE message SET pinned_at = created_at WHERE conversation_id IN ({large}, {crowd}) AND seq % 40 = 0 AND seq <= 2000;
UPDATE member SET read_seq = s, receipt_seq = s, delivered_seq = s, mark_xid = pg_current_xact_id()
FROM (SELECT user_id AS u, user_id * 7919 % 2001 AS s FROM member WHERE conversation_id = {crowd}) m
WHERE user_id = u AND conversation_id = {crowd};
INSERT INTO mark_advance (conversation_id, user_id, slot, at, receipt_seq, delivered_seq)
SELECT {crowd}, user_id, floor(extract(epoch FROM now()) / 10) - 10000 * (3 - n), now() - (3 - n) * interval '100000 seconds',
       read_seq * n / 3, delivered_seq * n / 3
FROM member, generate_series(1, 3) AS n WHERE conversation_id = {crowd};
UPDATE member SET receipt_seq = 0, delivered_seq = read_seq WHERE user_id = {reader} AND conversation_id = {large};
INSERT INTO mark_advance (conversation_id, user_id, slot, at, receipt_seq, delivered_seq)
SELECT DISTINCT ON (slot) conversation_id, {reader}, floor(extract(epoch FROM created_at) / 10) AS slot, created_at, 0, seq FROM message
WHERE conversation_id = {large} AND seq % 10 = 0 ORDER BY slot, seq;
"""


class Shape:
    """How much of everything, and who is where."""

    def __init__(self, conversations, users, messages, seed=1):
        assert conversations % users == 0 and DIRECT_SHARE * conversations / users < users / 2
        self.conversations, self.users, self.messages = conversations, users, messages
        self.random = random.Random(seed)
        self.weights = list(itertools.accumulate(rank ** -EXPONENT for rank in range(1, conversations + 1)))
        self.counts = self._counts()

    def _counts(self):
        """Messages by rank; every conversation has one, and all together are exactly as many as they should be."""
        share = (self.messages - self.conversations) / self.weights[-1]
        totals = [0] + [round(w * share) for w in self.weights]
        return [1 + after - before for before, after in itertools.pairwise(totals)]

    def conversation(self, rank):
        """Id of the conversation of this rank, from 1."""
        return (rank - 1) * STEP % self.conversations + 1

    def first_member(self, conversation):
        return (conversation - 1) % self.users + 1

    def is_direct(self, conversation):
        return conversation <= DIRECT_SHARE * self.conversations

    def members(self, conversation):
        """Ids; a direct conversation has two people that no other one has."""
        first = self.first_member(conversation)
        if self.is_direct(conversation):
            return [first, (first + (conversation - 1) // self.users) % self.users + 1]
        dice = random.Random(conversation)
        others = dice.sample(range(1, self.users), min(dice.choice(GROUP_SIZES), self.users) - 1)
        return [first] + [(first + k - 1) % self.users + 1 for k in others]

    def ranks_with(self, messages):
        """How many conversations, the most active ones, have at least so many."""
        return next((i for i, n in enumerate(self.counts) if n < messages), self.conversations)

    def draw(self, n, ranks=None):
        """Conversations of n requests, out of the `ranks` most active ones."""
        ranks = ranks or self.conversations
        return [self.conversation(r) for r in self.random.choices(range(1, ranks + 1), cum_weights=self.weights[:ranks], k=n)]


class Extremes(Shape):
    """The same with what is rare in it: conversation 1 of two people has `largest` messages, the last conversation is a group of
    CROWD members, and the last person is in BUSY conversations, four in five of them direct."""

    CROWD, CROWD_MESSAGES, BUSY = 5000, 2000, 2000

    def __init__(self, messages, largest, seed=1):
        self.largest = largest
        self.large, self.crowd, self.busy = 1, 12000, 6000
        super().__init__(12000, 6000, messages, seed)

    def _counts(self):
        """What the two large ones have does not follow the law; the others share the rest by it."""
        rank = (self.crowd - 1) * pow(STEP, -1, self.conversations) % self.conversations + 1
        given = {1: self.largest, rank: self.CROWD_MESSAGES}
        share = (self.messages - sum(given.values()) - self.conversations + 2) / (self.weights[-1] - 1)
        totals = [0] + [round(w * share) for w in self.weights]
        counts = [given.get(r, 1 + totals[r] - totals[r - 1]) for r in range(1, self.conversations + 1)]
        counts[1] += self.messages - sum(counts)
        return counts

    def members(self, conversation):
        if conversation == self.crowd:
            return list(range(1, self.CROWD + 1))
        if 10 <= conversation < 10 + self.BUSY * 4 // 5:
            return [conversation, self.busy]
        people = super().members(conversation)
        direct = DIRECT_SHARE * self.conversations
        if self.busy not in people and direct < conversation <= direct + self.BUSY // 5:
            people.append(self.busy)
        return people


class Rooms(Shape):
    """Many people with ten or so conversations each, for sockets: people n and n + 1 share the direct conversation n, and the last
    conversation is a group, the hall, of the first `members` of them."""

    def __init__(self, people, members, seed=1):
        self.hall, self.hall_members = 5 * people, members
        super().__init__(5 * people, people, 10 * people, seed)

    def members(self, conversation):
        return list(range(1, self.hall_members + 1)) if conversation == self.hall else super().members(conversation)


def texts(shape, n=4096):
    dice = random.Random(2)
    return [" ".join(dice.choices(WORDS, k=min(60, 1 + int(dice.expovariate(1 / 12))))) for _ in range(n)]


def request_hash(content_digest, reply_seq):
    """As fcgi/endpoint/message_post.c makes it, so that a retry of any of these messages would be known."""
    return hashlib.sha256(f'["text","{content_digest}",{reply_seq},[]]'.encode()).hexdigest()


def sessions(shape):
    return {user: str(uuid.UUID(int=user)) for user in range(1, shape.users + 1)}


def _escape(text):
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def _copy(cursor, table, columns, lines):
    cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", io.StringIO("".join(lines)))


class Copied:
    """Several tables filled at the same time, in chunks."""

    def __init__(self, cursor, tables):
        self.cursor, self.tables, self.lines = cursor, tables, [[] for _ in tables]

    def full(self):
        return len(self.lines[0]) >= CHUNK

    def flush(self):
        for (table, columns), lines in zip(self.tables, self.lines):
            _copy(self.cursor, table, columns, lines)
            lines.clear()


def _moment(at):
    return time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime(at))


class Clock:
    """When the i-th of n messages was said, and in which transaction: numbers that every new cluster has behind it."""

    FIRST_XID, XIDS = 3, 500

    def __init__(self, n):
        self.n, self.start, self.step = n, time.time() - DAYS * 86400, (DAYS * 86400 - 60) / n

    def at(self, i):
        return _moment(self.start + i * self.step)

    def xid(self, i):
        return self.FIRST_XID + self.XIDS * i // self.n


def _people(cursor, shape):
    _copy(cursor, "users", "id, username, display_name", (
        f"{u}\tperson{u}\t{NAMES[u % len(NAMES)]} {u}\n" for u in range(1, shape.users + 1)))
    _copy(cursor, "session", "id, user_id, current_hash, expires_at", (
        f"{s}\t{u}\t\\\\x{u:064x}\t{_moment(time.time() + 30 * 86400)}\n" for u, s in sessions(shape).items()))


def _conversations(cursor, shape, ranks, clock, first, last):
    lines, members = [], []
    for rank in ranks:
        c = shape.conversation(rank)
        people = shape.members(c)
        low, high = (min(people), max(people)) if shape.is_direct(c) else ("\\N", "\\N")
        name = "\\N" if shape.is_direct(c) else f"Group {c}"
        lines.append(f"{c}\t{1 if shape.is_direct(c) else 2}\t{name}\t{people[0]}\t{low}\t{high}\t{len(people)}\t{shape.counts[rank - 1]}\t1\t"
                     f"{clock.at(first[rank])}\t{clock.at(last[rank])}\t{clock.xid(last[rank])}\n")
        members += [f"{u}\t{c}\t{1 if shape.is_direct(c) or u != people[0] else 3}\t{clock.at(first[rank])}\n" for u in people]
    _copy(cursor, "conversation", "id, kind, name, created_by, direct_low, direct_high, participant_count, last_seq, last_rev, created_at, "
                                  "updated_at, last_xid", lines)
    _copy(cursor, "member", "user_id, conversation_id, role, joined_at", members)


def _messages(cursor, shape):
    """Messages with their keys and events, mixed in time. Their clock, and which were the first and the last of each rank."""
    dice, contents = random.Random(3), texts(shape)
    digests = [hashlib.sha256(t.encode()).hexdigest() for t in contents]
    hashes = [request_hash(d, 0) for d in digests]
    contents = [_escape(t) for t in contents]
    order = [rank for rank, n in enumerate(shape.counts, 1) for _ in range(n)]
    dice.shuffle(order)
    seqs, first, last = [0] * (shape.conversations + 1), {}, {}
    people = {}
    clock = Clock(len(order))
    out = Copied(cursor, [
        ("message", "conversation_id, seq, sender_id, kind, reply_seq, client_id, content, created_at"),
        ("message_key", "conversation_id, sender_id, client_id, seq, request_hash, created_at"),
        ("event", "conversation_id, position, seq, rev, kind, actor_id, target_seq, xid, at")])
    message, key, event = out.lines
    for i, rank in enumerate(order):
        c, at, xid = shape.conversation(rank), clock.at(i), clock.xid(i)
        seqs[rank] = seq = seqs[rank] + 1
        if seq == 1:
            people[rank] = shape.members(c)
            first[rank] = i
            event.append(f"{c}\t1\t0\t1\t2\t{people[rank][0]}\t\\N\t{xid}\t{at}\n")
        last[rank] = i
        sender, text = dice.choice(people[rank]), dice.randrange(len(contents))
        reply = seq - 1 - dice.randrange(min(5, seq - 1)) if seq > 1 and dice.random() < 0.1 else 0
        digest = request_hash(digests[text], reply) if reply else hashes[text]
        message.append(f"{c}\t{seq}\t{sender}\t1\t{reply or chr(92) + 'N'}\tm{i:023x}\t{contents[text]}\t{at}\n")
        key.append(f"{c}\t{sender}\tm{i:023x}\t{seq}\t\\\\x{digest}\t{at}\n")
        event.append(f"{c}\t{seq + 1}\t{seq}\t1\t1\t{sender}\t{seq}\t{xid}\t{at}\n")
        if out.full():
            out.flush()
    out.flush()
    return clock, first, last


def load(stack, shape):
    """Fills the empty database of a stack whose peal-jobs does not run."""
    connection = stack.db()
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT event_partitions((now() AT TIME ZONE 'UTC')::date - %s, %s)", (DAYS + 1, DAYS + 1))
        _people(cursor, shape)
        _conversations(cursor, shape, range(1, shape.conversations + 1), *_messages(cursor, shape))
        for table in ("users", "conversation"):
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
    connection.close()
    settle(stack)
    stack.psql("VACUUM (ANALYZE, FREEZE)")


def settle(stack):
    """Everybody reads what came; then the tables are as tidy as an idle minute leaves them."""
    stack.psql(READ)
    stack.psql("VACUUM (ANALYZE) member, conversation")
    stack.psql("CHECKPOINT")
    mark_published(stack)


def mark_published(stack):
    """As if all events so far had been published, which the peers and pgbench do not do; peal-jobs would make up for it."""
    import redis
    places = stack.psql("SELECT id || ':' || last_seq + last_rev FROM conversation").split()
    with redis.Redis(unix_socket_path=stack.redis_socket) as client:
        pipe = client.pipeline(transaction=False)
        for place in places:
            conversation, position = place.split(":")
            pipe.set(f"pub:c{conversation}", position, ex=3600)
        pipe.execute()


def mark(stack, shape):
    """What people do with messages, in the data of Extremes: stars, pins, reactions, deleting for themselves, and when their marks moved.

    In the large conversation one person has received everything at once, every half minute, and never said that it was read.
    """
    stack.psql(MARKS.format(large=shape.large, crowd=shape.crowd, busy=shape.busy, reader=2))
    stack.psql("VACUUM (ANALYZE) users, message, message_mine, member, mark_advance, user_event")
