"""What has to hold in any database of ours, whatever happened before: numbers without holes, counts that are the rows they count,
groups with owners, tombstones without content. check(stack) names every row that is wrong."""

from . import truth

# name -> a query that must find nothing
RULES = {
    "values are in their ranges": """
        SELECT 'conversation', c.id FROM conversation c
        WHERE c.kind NOT IN (1, 2) OR c.ttl_seconds <= 0 OR c.retention_days <= 0 OR c.slow_mode_seconds <= 0
           OR (c.kind = 1) <> (c.direct_low IS NOT NULL AND c.direct_high IS NOT NULL AND c.direct_low <= c.direct_high)
        UNION ALL SELECT 'member', m.conversation_id FROM member m WHERE m.role NOT IN (1, 2, 3) OR m.notify NOT IN (1, 2, 3)
        UNION ALL SELECT 'key', k.conversation_id FROM message_key k WHERE k.seq IS NULL AND k.scheduled_id IS NULL
        UNION ALL SELECT 'event', e.conversation_id FROM event e WHERE octet_length(e.detail) > 200""",
    "the log of a conversation is dense": """
        SELECT c.id, c.last_seq, c.last_rev, count(e.position), max(e.position)
        FROM conversation c LEFT JOIN event e ON e.conversation_id = c.id GROUP BY c.id
        HAVING count(e.position) <> c.last_seq + c.last_rev OR count(DISTINCT e.position) <> c.last_seq + c.last_rev
            OR max(e.position) <> c.last_seq + c.last_rev OR min(e.position) <> 1""",
    "each event advances one counter": """
        SELECT * FROM (
            SELECT e.conversation_id, e.position, e.kind, e.seq - lag(e.seq, 1, 0::bigint) OVER w AS seqs, e.rev - lag(e.rev, 1, 0::bigint) OVER w AS revs
            FROM event e WINDOW w AS (PARTITION BY e.conversation_id ORDER BY e.position)) x
        WHERE NOT (x.kind = 1 AND x.seqs = 1 AND x.revs = 0 OR x.kind <> 1 AND x.seqs = 0 AND x.revs = 1)""",
    "commit order is the order of positions": """
        SELECT * FROM (SELECT e.conversation_id, e.position, e.at, lag(e.at) OVER (PARTITION BY e.conversation_id ORDER BY e.position) AS before
                       FROM event e) x WHERE x.at < x.before - interval '10 seconds'""",
    "every seq is a message": """
        SELECT c.id, c.first_seq, c.last_seq, count(g.seq) FROM conversation c
        LEFT JOIN message g ON g.conversation_id = c.id AND g.seq >= c.first_seq GROUP BY c.id
        HAVING count(g.seq) <> greatest(0, c.last_seq - c.first_seq + 1)""",
    "a message's rev is of an event about it": """
        SELECT g.conversation_id, g.seq, g.rev FROM message g WHERE g.rev > 0 AND NOT EXISTS (
            SELECT FROM event e WHERE e.conversation_id = g.conversation_id AND e.rev = g.rev AND e.target_seq = g.seq AND e.kind <> 1)""",
    "a message has the rev of its last change": """
        SELECT g.conversation_id, g.seq, g.rev, max(e.rev) FROM message g
        JOIN event e ON e.conversation_id = g.conversation_id AND e.target_seq = g.seq AND e.kind <> 1
        GROUP BY 1, 2, 3 HAVING max(e.rev) <> g.rev""",
    "a person's stream is dense": """
        SELECT u.id, u.last_user_rev, count(e.user_rev), max(e.user_rev) FROM users u LEFT JOIN user_event e ON e.user_id = u.id
        GROUP BY u.id HAVING count(e.user_rev) <> u.last_user_rev OR coalesce(max(e.user_rev), 0) <> u.last_user_rev""",
    "participant_count counts the members": """
        SELECT c.id, c.participant_count, count(m.user_id) FROM conversation c LEFT JOIN member m ON m.conversation_id = c.id
        GROUP BY c.id HAVING c.participant_count <> count(m.user_id)""",
    "a group with members has an owner": """
        SELECT m.conversation_id FROM member m JOIN conversation c ON c.id = m.conversation_id AND c.kind = 2
        GROUP BY 1 HAVING max(m.role) < 3""",
    "marks are within the conversation, receipts within what was read": """
        SELECT m.user_id, m.conversation_id, m.read_seq, m.receipt_seq, m.delivered_seq, c.last_seq FROM member m
        JOIN conversation c ON c.id = m.conversation_id
        WHERE m.read_seq > c.last_seq OR m.delivered_seq > c.last_seq OR m.receipt_seq > m.read_seq OR m.unread_from > c.last_seq
           OR m.read_seq < m.joined_seq OR m.delivered_seq < m.receipt_seq""",
    "who joined stands in the log where they joined": """
        SELECT m.user_id, m.conversation_id, m.joined_seq, m.joined_position FROM member m JOIN conversation c ON c.id = m.conversation_id
        WHERE m.joined_position > 1 AND NOT EXISTS (
            SELECT FROM event e WHERE e.conversation_id = m.conversation_id AND e.position = m.joined_position
              AND (c.kind = 2 AND e.kind = 10 AND e.target_user = m.user_id AND e.seq = m.joined_seq
                OR c.kind = 1 AND (e.kind = 1 OR e.kind = 2 AND e.actor_id = m.user_id)))""",
    "members are those whom the log has added and not removed since": """
        SELECT x.conversation_id, x.target_user, x.kind FROM (
            SELECT DISTINCT ON (e.conversation_id, e.target_user) e.conversation_id, e.target_user, e.kind
            FROM event e WHERE e.kind IN (10, 11) ORDER BY e.conversation_id, e.target_user, e.position DESC) x
        WHERE (x.kind = 10) <> EXISTS (SELECT FROM member m WHERE m.conversation_id = x.conversation_id AND m.user_id = x.target_user)""",
    "reactions of a message are what people have said": """
        WITH said AS (
            SELECT r.conversation_id, r.seq, r.emoji, count(*) AS n
            FROM (SELECT x.conversation_id, x.seq, unnest(x.reactions) AS emoji FROM message_mine x) r GROUP BY 1, 2, 3
        ), told AS (
            SELECT g.conversation_id, g.seq, r.value ->> 'emoji' AS emoji, (r.value ->> 'count')::bigint AS n
            FROM message g, jsonb_array_elements(g.reactions) AS r
        )
        SELECT * FROM said FULL JOIN told USING (conversation_id, seq, emoji) WHERE said.n IS DISTINCT FROM told.n""",
    "counts of a poll are the votes": """
        WITH said AS (
            SELECT v.conversation_id, v.seq, v.option, count(*) AS n
            FROM (SELECT x.conversation_id, x.seq, unnest(x.votes) AS option FROM message_mine x) v GROUP BY 1, 2, 3
        ), told AS (
            SELECT g.conversation_id, g.seq, o.place - 1 AS option, (o.value ->> 'count')::bigint AS n
            FROM message g, jsonb_array_elements(g.extra -> 'options') WITH ORDINALITY AS o (value, place) WHERE g.extra ? 'options'
        )
        SELECT * FROM said FULL JOIN told USING (conversation_id, seq, option) WHERE coalesce(said.n, 0) <> coalesce(told.n, 0)""",
    "voters of a poll are those who voted": """
        SELECT g.conversation_id, g.seq, g.extra -> 'voters' FROM message g WHERE g.extra ? 'options'
          AND coalesce((g.extra ->> 'voters')::bigint, 0) <> (SELECT count(*) FROM message_mine x
              WHERE x.conversation_id = g.conversation_id AND x.seq = g.seq AND x.votes IS NOT NULL)""",
    "a tombstone has nothing left": """
        SELECT g.conversation_id, g.seq, g.kind, to_jsonb(g) FROM message g WHERE g.deleted_at IS NOT NULL
          AND (g.content IS NOT NULL OR g.mentions IS NOT NULL OR g.attachments IS NOT NULL OR g.reactions IS NOT NULL OR g.pinned_at IS NOT NULL
               OR g.extra IS NOT NULL AND g.kind <> 9
               OR EXISTS (SELECT FROM message_revision r WHERE r.conversation_id = g.conversation_id AND r.seq = g.seq)
               OR EXISTS (SELECT FROM message_mine x WHERE x.conversation_id = g.conversation_id AND x.seq = g.seq
                            AND (x.reactions IS NOT NULL OR x.votes IS NOT NULL)))""",
    "revisions are dense below the version": """
        SELECT g.conversation_id, g.seq, g.version, count(r.version) FROM message g
        LEFT JOIN message_revision r ON r.conversation_id = g.conversation_id AND r.seq = g.seq
        WHERE g.deleted_at IS NULL GROUP BY 1, 2, 3 HAVING count(r.version) <> g.version - 1 OR max(r.version) <> g.version - 1""",
    "a message has one key, and a key one message": """
        SELECT g.conversation_id, g.sender_id, g.client_id, count(*) FROM message g WHERE g.client_id IS NOT NULL
        GROUP BY 1, 2, 3 HAVING count(*) <> 1 OR count(*) <> (
            SELECT count(*) FROM message_key k WHERE k.conversation_id = g.conversation_id AND k.sender_id = g.sender_id AND k.client_id = g.client_id)""",
    "whoever deleted something for themselves is known to have": """
        SELECT x.user_id, x.conversation_id, x.seq FROM message_mine x JOIN member m USING (user_id, conversation_id)
        WHERE x.hidden_at IS NOT NULL AND NOT m.hides""",
    "only a direct conversation without a message is hidden": """
        SELECT m.user_id, m.conversation_id FROM member m JOIN conversation c ON c.id = m.conversation_id
        WHERE m.hidden AND (c.kind <> 1 OR c.last_seq > 0)""",
}


def check(stack):
    wrong = []
    with truth.cursor(stack) as c:
        for name, query in RULES.items():
            c.execute(query)
            found = c.fetchall()
            wrong += [f"not so: {name}: {len(found)} rows, like {found[:3]}"] if found else []
    assert not wrong, "\n".join(wrong)
