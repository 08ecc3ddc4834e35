"""Cases of RFC 6455 and RFC 7692 for a server that speaks JSON, in the manner and the order of the published Autobahn list.

A case is what is sent, byte by byte, and everything that must come back, in order, until the end. Our daemon does not echo: a message
that arrives whole is a `ping` frame, which is answered `pong` before anybody has said hello; what breaks a rule is answered by a close
code and nothing else. `cases()` yields them."""

import dataclasses
import json
import struct
import zlib

CONTINUE, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = bytes.fromhex("37fa213d")
MAX = 320 * 1024
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"
TAIL = b"\x00\x00\xff\xff"

# what may come back
SAID = ("text", "pong")                                  # {"type":"pong"}


def refused(code="bad_json"):
    return ("error", code)


def ponged(payload=b""):
    return ("pong", payload)


def closed(code):
    return ("close", code)


@dataclasses.dataclass
class Case:
    id: str
    what: str
    send: list                                           # bytes; ("wait",) waits for what has to come so far; ("sleep", s)
    expect: list
    headers: tuple = ()
    query: str = ""
    chop: int = 0                                        # 0: all at once; else so many bytes at a time
    accept: object = None                                # what Sec-WebSocket-Extensions of the answer must be; False: absent


def frame(opcode, payload=b"", fin=True, rsv=0, mask=True, bytes_of_length=None, claim=None):
    n = len(payload) if claim is None else claim
    size = bytes_of_length if bytes_of_length is not None else 0 if n < 126 else 2 if n < 65536 else 8
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    head += bytes([(0x80 if mask else 0) | (n if size == 0 else 126 if size == 2 else 127)]) + (n.to_bytes(size, "big") if size else b"")
    if not mask:
        return head + payload
    key = int.from_bytes((MASK * (len(payload) // 4 + 1))[:len(payload)], "big")
    return head + MASK + (int.from_bytes(payload, "big") ^ key).to_bytes(len(payload), "big")


def ping(inside="", size=None):
    """A message that is answered: with something inside, or padded to a size in bytes."""
    raw = inside if isinstance(inside, bytes) else inside.encode()
    start, end = b'{"type":"ping","x":"', b'"}'
    if size is not None:
        raw = b"*" * (size - len(start) - len(end))
    return start + raw + end


def text(payload=None, **options):
    return frame(TEXT, ping() if payload is None else payload, **options)


def fragments(payload, size, opcode=TEXT, between=b""):
    """In frames of so many bytes, with other frames between them."""
    pieces = [payload[i:i + size] for i in range(0, len(payload), size)] or [b""]
    out = []
    for i, piece in enumerate(pieces):
        out.append(frame(opcode if i == 0 else CONTINUE, piece, fin=i == len(pieces) - 1))
        if between and i < len(pieces) - 1:
            out.append(between)
    return b"".join(out)


def close(code=None, reason=b""):
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


def squeezed(payload, level=6, window=-15, flush=zlib.Z_SYNC_FLUSH, strategy=0):
    c = zlib.compressobj(level, zlib.DEFLATED, window, 8, strategy)
    data = c.compress(payload) + c.flush(flush)
    return data.removesuffix(TAIL)


GOODBYE = [close(1000)]
GOOD = closed(1000)


def framing():
    for group, opcode in ((1, TEXT), (2, BINARY)):
        for i, (size, chop) in enumerate([(0, 0), (125, 0), (126, 0), (127, 0), (128, 0), (65535, 0), (65536, 0), (65536, 997)], 1):
            payload = b"" if size == 0 else ping(size=size)
            if opcode == TEXT:
                yield Case(f"1.{group}.{i}", f"text of {size} bytes", [frame(TEXT, payload), *GOODBYE],
                           [SAID if size else refused(), GOOD], chop=chop)
            else:
                yield Case(f"1.{group}.{i}", f"binary of {size} bytes: text frames only", [frame(BINARY, payload)], [closed(1003)], chop=chop)
    yield Case("1.3.1", "a text and another in one write", [text() + text(), *GOODBYE], [SAID, SAID, GOOD])
    yield Case("1.3.2", "a text byte by byte", [text(), *GOODBYE], [SAID, GOOD], chop=1)
    yield Case("1.3.3", "not masked", [frame(TEXT, ping(), mask=False)], [closed(1002)])
    yield Case("1.3.4", "not masked, after a good one", [text(), frame(TEXT, ping(), mask=False)], [SAID, closed(1002)])
    yield Case("1.3.5", "a ping that is not masked", [frame(PING, b"x", mask=False)], [closed(1002)])
    yield Case("1.3.6", "a close that is not masked", [frame(CLOSE, b"\x03\xe8", mask=False)], [closed(1002)])
    for i, (size, n) in enumerate([(2, 40), (8, 40), (8, 300)], 1):
        yield Case(f"1.4.{i}", f"{n} bytes with a length in {size} bytes: not the shortest", [frame(TEXT, ping(size=n), bytes_of_length=size)],
                   [closed(1002)] if n < 126 or size == 8 else [SAID, GOOD])
    yield Case("1.4.4", "the highest bit of the length", [frame(TEXT, b"x", bytes_of_length=8, claim=1 << 63)], [closed(1002)])
    yield Case("1.4.5", "a ping with a length in 2 bytes", [frame(PING, b"x", bytes_of_length=2)], [closed(1002)])


def pings():
    many = [bytes([i]) * i for i in range(10)]
    yield Case("2.1", "ping without payload", [frame(PING), *GOODBYE], [ponged(), GOOD])
    yield Case("2.2", "ping with text", [frame(PING, b"Hello, world!"), *GOODBYE], [ponged(b"Hello, world!"), GOOD])
    yield Case("2.3", "ping with bytes that are no text", [frame(PING, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), *GOODBYE],
               [ponged(b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), GOOD])
    yield Case("2.4", "ping of 125 bytes", [frame(PING, b"\xfe" * 125), *GOODBYE], [ponged(b"\xfe" * 125), GOOD])
    yield Case("2.5", "ping of 126 bytes", [frame(PING, b"\xfe" * 126)], [closed(1002)])
    yield Case("2.6", "ping of 125 bytes, byte by byte", [frame(PING, b"\xfe" * 125), *GOODBYE], [ponged(b"\xfe" * 125), GOOD], chop=1)
    yield Case("2.7", "unsolicited pong", [frame(PONG), *GOODBYE], [GOOD])
    yield Case("2.8", "unsolicited pong with payload", [frame(PONG, b"unsolicited"), *GOODBYE], [GOOD])
    yield Case("2.9", "unsolicited pong, then ping", [frame(PONG, b"unsolicited"), frame(PING, b"p"), *GOODBYE], [ponged(b"p"), GOOD])
    yield Case("2.10", "10 pings", [*(frame(PING, p) for p in many), *GOODBYE], [*(ponged(p) for p in many), GOOD])
    yield Case("2.11", "10 pings, byte by byte", [*(frame(PING, p) for p in many), *GOODBYE], [*(ponged(p) for p in many), GOOD], chop=1)
    yield Case("2.12", "pong of 126 bytes", [frame(PONG, b"x" * 126)], [closed(1002)])
    yield Case("2.13", "ping that claims 2^20 bytes", [frame(PING, b"", bytes_of_length=8, claim=1 << 20)], [closed(1002)])


def reserved():
    for rsv in range(1, 8):
        yield Case(f"3.1.{rsv}", f"reserved bits {rsv} on a text", [text(rsv=rsv)], [closed(1002)])
        yield Case(f"3.2.{rsv}", f"after a good text, reserved bits {rsv}, then a ping", [text(), text(rsv=rsv), frame(PING)], [SAID, closed(1002)])
        yield Case(f"3.3.{rsv}", f"reserved bits {rsv} on a ping", [frame(PING, b"x", rsv=rsv)], [closed(1002)])
        yield Case(f"3.4.{rsv}", f"reserved bits {rsv} on a close", [frame(CLOSE, b"\x03\xe8", rsv=rsv)], [closed(1002)])
    for rsv in (1, 2, 3, 5, 6, 7):
        yield Case(f"3.5.{rsv}", f"reserved bits {rsv} although permessage-deflate is there", [text(rsv=rsv)], [closed(1002)], headers=(DEFLATE,))
    for i, opcode in enumerate((3, 4, 5, 6, 7), 1):
        yield Case(f"4.1.{i}", f"opcode {opcode}", [frame(opcode, b"x" * (i - 1))], [closed(1002)])
        yield Case(f"4.1.{i + 5}", f"opcode {opcode} between good ones", [text(), frame(opcode), frame(PING)], [SAID, closed(1002)])
    for i, opcode in enumerate((11, 12, 13, 14, 15), 1):
        yield Case(f"4.2.{i}", f"opcode {opcode}", [frame(opcode, b"x" * (i - 1))], [closed(1002)])
        yield Case(f"4.2.{i + 5}", f"opcode {opcode} between good ones", [text(), frame(opcode), frame(PING)], [SAID, closed(1002)])


def fragmentation():
    whole = ping("fragmented")
    half = len(whole) // 2
    first, rest = whole[:half], whole[half:]
    open_, end = frame(TEXT, first, fin=False), frame(CONTINUE, rest)
    yield Case("5.1", "a ping in two frames", [frame(PING, b"a", fin=False), frame(CONTINUE, b"b")], [closed(1002)])
    yield Case("5.2", "a pong in two frames", [frame(PONG, b"a", fin=False), frame(CONTINUE, b"b")], [closed(1002)])
    yield Case("5.3", "text in 2 frames", [open_ + end, *GOODBYE], [SAID, GOOD])
    yield Case("5.4", "text in 2 frames, one write each", [open_, ("sleep", 0.01), end, *GOODBYE], [SAID, GOOD])
    yield Case("5.5", "text in 2 frames, byte by byte", [open_ + end, *GOODBYE], [SAID, GOOD], chop=1)
    yield Case("5.6", "a ping between two frames", [open_ + frame(PING, b"p") + end, *GOODBYE], [ponged(b"p"), SAID, GOOD])
    yield Case("5.7", "a ping between two frames, answered at once", [open_, frame(PING, b"p"), ("wait",), end, *GOODBYE], [ponged(b"p"), SAID, GOOD])
    yield Case("5.8", "a ping between two frames, byte by byte", [open_ + frame(PING, b"p") + end, *GOODBYE], [ponged(b"p"), SAID, GOOD], chop=1)
    yield Case("5.9", "a last continuation of nothing", [frame(CONTINUE, b"x"), text()], [closed(1002)])
    yield Case("5.10", "a last continuation of nothing, then text, in one write", [frame(CONTINUE, b"x") + text()], [closed(1002)])
    yield Case("5.11", "the same byte by byte", [frame(CONTINUE, b"x")], [closed(1002)], chop=1)
    yield Case("5.12", "a continuation of nothing that goes on", [frame(CONTINUE, b"x", fin=False), text()], [closed(1002)])
    yield Case("5.13", "the same in one write", [frame(CONTINUE, b"x", fin=False) + text()], [closed(1002)])
    yield Case("5.14", "the same byte by byte", [frame(CONTINUE, b"x", fin=False)], [closed(1002)], chop=1)
    yield Case("5.15", "a continuation after a message that was whole", [open_ + end + frame(CONTINUE, b"x", fin=False)], [SAID, closed(1002)])
    yield Case("5.16", "two continuations of nothing", [frame(CONTINUE, b"x", fin=False), frame(CONTINUE, b"y")], [closed(1002)])
    yield Case("5.17", "continuation, text, continuation", [frame(CONTINUE, b"x") + text() + frame(CONTINUE, b"y")], [closed(1002)])
    yield Case("5.18", "two texts, the first goes on", [open_, frame(TEXT, rest)], [closed(1002)])
    yield Case("5.19", "text in 5 frames with pings between", [fragments(whole, -(-len(whole) // 5), between=frame(PING, b"p")), *GOODBYE],
               [*[ponged(b"p")] * 4, SAID, GOOD])
    yield Case("5.20", "the same, byte by byte", [fragments(whole, -(-len(whole) // 5), between=frame(PING, b"p")), *GOODBYE],
               [*[ponged(b"p")] * 4, SAID, GOOD], chop=1)
    yield Case("5.21", "a binary begun in a text", [open_, frame(BINARY, b"x")], [closed(1002)])
    yield Case("5.22", "a binary in frames: text frames only", [fragments(b"x" * 40, 7, BINARY)], [closed(1003)])
    yield Case("5.23", "empty frames between", [open_ + frame(CONTINUE, b"", fin=False) * 3 + end, *GOODBYE], [SAID, GOOD])
    yield Case("5.24", "an empty first frame", [frame(TEXT, b"", fin=False) + frame(CONTINUE, whole), *GOODBYE], [SAID, GOOD])
    yield Case("5.25", "an empty last frame", [frame(TEXT, whole, fin=False) + frame(CONTINUE, b""), *GOODBYE], [SAID, GOOD])
    yield Case("5.26", "only empty frames", [frame(TEXT, b"", fin=False) + frame(CONTINUE, b""), *GOODBYE], [refused(), GOOD])
    yield Case("5.27", "a close in a message", [open_ + close(1000)], [GOOD])
    yield Case("5.28", "a pong in a message", [open_ + frame(PONG, b"x") + end, *GOODBYE], [SAID, GOOD])
    yield Case("5.29", "one byte a frame", [fragments(whole, 1), *GOODBYE], [SAID, GOOD])
    yield Case("5.30", "two messages in frames, one after the other", [fragments(whole, 3) + fragments(whole, 5), *GOODBYE], [SAID, SAID, GOOD])


VALID = ["", "Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "\u0001", "a\u007f", "\u0080", "\u07ff", "\u0800", "\uffff", "\U00010000", "\U0010ffff",
         "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\U0001fffe", "\U000ffffe", "\U0010fffe", "\ufeff", "👩‍🚀", "한국어", "𝒳" * 40]
INVALID = ["80", "bf", "80bf", "80bf80", "80bf80bf80bf80", "c020", "c3", "e020", "e18020", "f020", "f0908020", "c0", "e0", "e080", "f0",
           "f080", "f08080", "f8808080", "fc8080808080", "df", "efbf", "f7bfbf", "fe", "ff", "fefeffff", "c0af", "e080af", "f08080af", "f8808080af",
           "fc80808080af", "c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf", "c080", "e08080", "f0808080", "f880808080",
           "eda080", "edad bf".replace(" ", ""), "edae80", "edafbf", "edb080", "edbe80", "edbfbf", "eda080edb080", "edafbfedbfbf",
           "f4908080", "f5808080", "f7bfbfbf", "f888808080", "fbbfbfbfbf", "fc8480808080", "fdbfbfbfbfbf", "cebae1bdb9cf83cebcceb5eda080656469746564"]


def utf8():
    for i, one in enumerate(VALID, 1):
        escaped = json.dumps(one, ensure_ascii=False)[1:-1]     # control characters are JSON's business
        whole = ping(escaped)
        yield Case(f"6.1.{i}", f"valid: {one[:8]!r}", [text(whole), *GOODBYE], [SAID, GOOD])
        yield Case(f"6.2.{i}", f"valid, a frame per byte: {one[:8]!r}", [fragments(whole, 1), *GOODBYE], [SAID, GOOD])
    for i, hexed in enumerate(INVALID, 1):
        bad = bytes.fromhex(hexed)
        yield Case(f"6.3.{i}", f"invalid: {hexed}", [text(ping(bad))], [closed(1007)])
        # nothing after the first wrong byte is needed to know: the rest of the message is never sent
        yield Case(f"6.4.{i}", f"invalid, fast: {hexed}", [frame(TEXT, ping(bad)[:-2] + b"\x20", fin=False), ("wait",)], [closed(1007)])
    start = b'{"type":"ping","x":"' + "κόσμε".encode()
    for i, (cut, what) in enumerate([(b"\xf4\x90", "in the second byte of a sequence"), (b"\xed\xa0", "a surrogate"), (b"\xff", "in the first byte")], 1):
        whole = frame(TEXT, start + cut + b"more and more", claim=len(start) + 5000)
        yield Case(f"6.5.{i}", f"fast, inside one frame that is not complete: {what}", [whole, ("wait",)], [closed(1007)])
        yield Case(f"6.6.{i}", f"the same byte by byte: {what}", [whole, ("wait",)], [closed(1007)], chop=1)
    yield Case("6.7.1", "a sequence cut by the end of the message", [text(start + b"\xe2\x82")], [closed(1007)])
    yield Case("6.7.2", "a sequence cut by the end of a message in frames", [fragments(start + b"\xe2\x82", 7)], [closed(1007)])
    yield Case("6.7.3", "a ping with invalid text is no text", [frame(PING, b"\xff\xfe"), *GOODBYE], [ponged(b"\xff\xfe"), GOOD])
    yield Case("6.7.4", "a sequence in two frames with a ping between", [frame(TEXT, start + b"\xe2\x82", fin=False) + frame(PING, b"\xff")
                                                                        + frame(CONTINUE, b"\xac\"}"), *GOODBYE], [ponged(b"\xff"), SAID, GOOD])


def closing():
    yield Case("7.1.1", "text, then close", [text(), *GOODBYE], [SAID, GOOD])
    yield Case("7.1.2", "two closes", [close(1000) + close(1000)], [GOOD])
    yield Case("7.1.3", "a ping after the close", [close(1000) + frame(PING, b"x")], [GOOD])
    yield Case("7.1.4", "text after the close", [close(1000) + text()], [GOOD])
    yield Case("7.1.5", "close in a message, then its end", [frame(TEXT, b"x", fin=False) + close(1000) + frame(CONTINUE, b"y")], [GOOD])
    yield Case("7.1.6", "256 KiB, then close, then a ping", [text(ping(size=256 * 1024)) + close(1000) + frame(PING)], [SAID, GOOD])
    yield Case("7.3.1", "close without payload", [frame(CLOSE)], [closed(None)])
    yield Case("7.3.2", "close with 1 byte", [frame(CLOSE, b"a")], [closed(1002)])
    yield Case("7.3.3", "close with a code", [close(1000)], [GOOD])
    yield Case("7.3.4", "close with a reason", [close(1000, b"Hello World!")], [GOOD])
    yield Case("7.3.5", "close with a reason of 123 bytes", [close(1000, b"*" * 123)], [GOOD])
    yield Case("7.3.6", "close with a reason of 124 bytes", [close(1000, b"*" * 124)], [closed(1002)])
    yield Case("7.3.7", "close in two frames", [frame(CLOSE, b"\x03\xe8", fin=False)], [closed(1002)])
    yield Case("7.3.8", "close byte by byte", [close(1000, b"bye")], [GOOD], chop=1)
    yield Case("7.5.1", "close whose reason is not UTF-8", [close(1000, b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80")], [closed(1007)])
    yield Case("7.5.2", "close whose reason ends in a sequence", [close(1000, b"\xe2\x82")], [closed(1007)])
    good = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
    for i, code in enumerate(good, 1):
        yield Case(f"7.7.{i}", f"close code {code}", [close(code)], [closed(code)])
    for i, code in enumerate([0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535], 1):
        yield Case(f"7.9.{i}", f"close code {code}", [close(code)], [closed(1002)])


def limits():
    for i, size in enumerate((1024, 16 * 1024, 64 * 1024, 256 * 1024, MAX), 1):
        yield Case(f"9.1.{i}", f"text of {size} bytes", [text(ping(size=size)), *GOODBYE], [SAID, GOOD])
        yield Case(f"9.2.{i}", f"text of {size} bytes in frames of 1000", [fragments(ping(size=size), 1000), *GOODBYE], [SAID, GOOD])
    for i, size in enumerate((64, 256, 1024, 4096, 16384, 65536, MAX), 1):
        yield Case(f"9.3.{i}", f"the largest message in frames of {size}", [fragments(ping(size=MAX), size), *GOODBYE], [SAID, GOOD])
    for i, chop in enumerate((64, 128, 256, 512, 1024, 2048), 1):
        yield Case(f"9.5.{i}", f"64 KiB in writes of {chop}", [text(ping(size=65536)), *GOODBYE], [SAID, GOOD], chop=chop)
    yield Case("9.7.1", "a byte too many", [frame(TEXT, b"", claim=MAX + 1)], [closed(1009)])
    yield Case("9.7.2", "a byte too many, in frames", [frame(TEXT, ping(size=MAX), fin=False) + frame(CONTINUE, b"x")], [closed(1009)])
    yield Case("9.7.3", "a frame that claims 4 GiB", [frame(TEXT, b"", bytes_of_length=8, claim=1 << 32)], [closed(1009)])
    yield Case("9.7.4", "a frame that claims 2^63 - 1 bytes", [frame(TEXT, b"", bytes_of_length=8, claim=(1 << 63) - 1)], [closed(1009)])
    yield Case("9.7.5", "frames whose sum overflows", [frame(TEXT, b"abc", fin=False) + frame(CONTINUE, b"", bytes_of_length=8, claim=(1 << 63) - 1)],
               [closed(1009)])
    yield Case("9.7.6", "a binary that is too large", [frame(BINARY, b"", claim=MAX + 1)], [closed(1009)])
    yield Case("9.8.1", "100 texts at once", [text() * 100, *GOODBYE], [*[SAID] * 100, GOOD])
    yield Case("9.8.2", "30 texts in frames of 5, a ping between them", [fragments(ping("0123456789"), 5, between=frame(PING)) * 30, *GOODBYE],
               [*([ponged()] * 6 + [SAID]) * 30, GOOD])
    yield Case("10.1.1", "65536 bytes in frames of 1300", [fragments(ping(size=65536), 1300), *GOODBYE], [SAID, GOOD])


# an offer, and what it must be answered: None: as always; False: not taken
OFFERS = [
    ("permessage-deflate", None),
    ("permessage-deflate; client_max_window_bits", None),
    ("permessage-deflate; client_max_window_bits=8", None),
    ("permessage-deflate; client_max_window_bits=15", None),
    ("permessage-deflate; client_max_window_bits=\"10\"", None),
    ("permessage-deflate; server_no_context_takeover", None),
    ("permessage-deflate; client_no_context_takeover", None),
    ("permessage-deflate;server_no_context_takeover ;  client_no_context_takeover", None),
    ("permessage-deflate; server_max_window_bits=15", "; server_max_window_bits=15"),
    ("permessage-deflate; server_max_window_bits=\"15\"", "; server_max_window_bits=15"),
    ("permessage-deflate; server_max_window_bits=10", False),
    ("permessage-deflate; server_max_window_bits=10, permessage-deflate", None),
    ("x-webkit-deflate-frame, permessage-deflate", None),
    ("x-webkit-deflate-frame", False),
    ("permessage-bzip2; client_max_compress_level", False),
    ("permessage-deflate; unknown", False),
    ("permessage-deflate; unknown=1, permessage-deflate", None),
    ("permessage-deflate; server_max_window_bits", False),
    ("permessage-deflate; server_max_window_bits=16", False),
    ("permessage-deflate; server_max_window_bits=7", False),
    ("permessage-deflate; server_max_window_bits=015", False),
    ("permessage-deflate; client_max_window_bits=7", False),
    ("permessage-deflate; client_max_window_bits=99999999999999999999", False),
    ("permessage-deflate; client_no_context_takeover=1", False),
    ("permessage-deflate; client_no_context_takeover; client_no_context_takeover", False),
    ("permessage-deflate; server_max_window_bits=15; server_max_window_bits=15", False),
]
TAKEN = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


def negotiation():
    for i, (offer, answer) in enumerate(OFFERS, 1):
        taken = answer is not False
        yield Case(f"12.1.{i}", f"offered: {offer}", [text(squeezed(ping("hello")), rsv=4)] + (GOODBYE if taken else []),
                   [SAID, GOOD] if taken else [closed(1002)], headers=(f"Sec-WebSocket-Extensions: {offer}",), accept=TAKEN + (answer or "") if taken else False)
    yield Case("12.2.1", "two headers", [text(squeezed(ping("hello")), rsv=4), *GOODBYE], [SAID, GOOD],
               headers=("Sec-WebSocket-Extensions: a, b; c=d", DEFLATE), accept=TAKEN)
    yield Case("12.2.2", "gzip was asked for: never both", [text(), *GOODBYE], [SAID, GOOD], headers=(DEFLATE,), query="?gzip=1", accept=False)
    yield Case("12.2.3", "gzip was asked for: what is deflated is refused", [text(squeezed(ping()), rsv=4)], [closed(1002)], headers=(DEFLATE,),
               query="?gzip=1", accept=False)
    yield Case("12.2.4", "nothing was offered", [text(squeezed(ping()), rsv=4)], [closed(1002)], accept=False)


def compression():
    def case(id_, what, send, expect, **options):
        return Case(id_, what, send, expect, headers=(DEFLATE,), accept=TAKEN, **options)

    for i, size in enumerate((40, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072, 262144, MAX), 1):
        yield case(f"13.1.{i}", f"{size} bytes deflated", [text(squeezed(ping(size=size)), rsv=4), *GOODBYE], [SAID, GOOD])
        yield case(f"13.2.{i}", f"{size} bytes deflated, in frames of 100",
                   [deflated_fragments(squeezed(ping(size=size)), 100), *GOODBYE], [SAID, GOOD])
    whole = ping("the quick brown fox " * 20)
    for i, (what, data) in enumerate({
            "stored blocks": squeezed(whole, level=0), "fixed codes": squeezed(whole, strategy=zlib.Z_FIXED), "level 9": squeezed(whole, 9),
            "a window of 512 bytes": squeezed(whole, window=-9), "Huffman only": squeezed(whole, strategy=zlib.Z_HUFFMAN_ONLY),
            "a full flush": squeezed(whole, flush=zlib.Z_FULL_FLUSH), "a last block, padded": squeezed(whole, flush=zlib.Z_FINISH) + b"\x00",
            "two blocks": two_blocks(whole)}.items(), 1):
        yield case(f"13.3.{i}", what, [text(data, rsv=4), *GOODBYE], [SAID, GOOD])
        yield case(f"13.4.{i}", f"{what}, byte by byte", [text(data, rsv=4), *GOODBYE], [SAID, GOOD], chop=1)
    data = squeezed(whole)
    yield case("13.5.1", "not deflated all the same", [text(whole), *GOODBYE], [SAID, GOOD])
    yield case("13.5.2", "deflated and not, in turn", [text(data, rsv=4) + text(whole) + text(data, rsv=4) + text(), *GOODBYE], [*[SAID] * 4, GOOD])
    yield case("13.5.3", "the same message ten times", [text(data, rsv=4) * 10, *GOODBYE], [*[SAID] * 10, GOOD])
    yield case("13.5.4", "an empty message deflated", [text(b"\x00", rsv=4), *GOODBYE], [refused(), GOOD])
    yield case("13.5.5", "a ping between the frames of a deflated message",
               [deflated_fragments(data, 10, between=frame(PING, b"p")), *GOODBYE], [*[ponged(b"p")] * (-(-len(data) // 10) - 1), SAID, GOOD])
    yield case("13.5.6", "a deflated binary: text frames only", [frame(BINARY, squeezed(b"x" * 100), rsv=4)], [closed(1003)])
    yield case("13.5.7", "an empty last frame", [text(data, rsv=4, fin=False) + frame(CONTINUE), *GOODBYE], [SAID, GOOD])
    yield case("13.6.1", "RSV1 on a continuation", [text(data[:9], rsv=4, fin=False) + frame(CONTINUE, data[9:], rsv=4)], [closed(1002)])
    yield case("13.6.2", "RSV1 on a ping", [frame(PING, b"x", rsv=4)], [closed(1002)])
    yield case("13.6.3", "RSV1 on a close", [frame(CLOSE, b"\x03\xe8", rsv=4)], [closed(1002)])
    yield case("13.6.4", "the second message refers to the first", [text(data, rsv=4) + text(second_of(whole), rsv=4)], [SAID, closed(1007)])
    for i, (what, bad) in enumerate({"not deflate": b"\xff" * 20, "a distance too far": bytes.fromhex("0262000600"), "cut": data[:len(data) // 2],
                                     "a byte is missing": data[:-1], "a stored block that claims too much": b"\x00\xff\x00\x00\xffabc"}.items(), 1):
        yield case(f"13.7.{i}", f"damaged: {what}", [text(bad, rsv=4)], [closed(1007)])
    yield case("13.7.6", "deflated, and not UTF-8", [text(squeezed(ping(b"\xff")), rsv=4)], [closed(1007)])
    yield case("13.7.7", "deflated, and not JSON", [text(squeezed(b"hello"), rsv=4), *GOODBYE], [refused(), GOOD])
    yield case("13.8.1", "a byte too many once inflated", [text(squeezed(ping(size=MAX + 1)), rsv=4)], [closed(1009)])
    yield case("13.8.2", "a bomb: 100 MiB in 100 KiB", [text(squeezed(b"x" * (100 << 20), 9), rsv=4)], [closed(1009)])
    yield case("13.8.3", "a bomb in frames", [deflated_fragments(squeezed(b"\0" * (10 << 20), 9), 1000)], [closed(1009)])
    yield case("13.8.4", "what is deflated is too large itself", [frame(TEXT, b"", rsv=4, claim=MAX + 1)], [closed(1009)])


def deflated_fragments(data, size, between=b""):
    whole = bytearray(fragments(data, size, between=between))
    whole[0] |= 0x40
    return bytes(whole)


def two_blocks(payload):
    c = zlib.compressobj(6, zlib.DEFLATED, -15)
    half = len(payload) // 2
    return (c.compress(payload[:half]) + c.flush(zlib.Z_SYNC_FLUSH) + c.compress(payload[half:]) + c.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def second_of(payload):
    """The same message again by a client that keeps its window, which was not agreed."""
    c = zlib.compressobj(9, zlib.DEFLATED, -15)
    c.compress(payload)
    c.flush(zlib.Z_SYNC_FLUSH)
    return (c.compress(payload) + c.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def cases():
    for group in (framing, pings, reserved, fragmentation, utf8, closing, limits, negotiation, compression):
        yield from group()
