/*
 * test_codec.c -- the WebSocket codec against exact bytes, modelled on the groups of the Autobahn test suite: 1 framing,
 * 2 pings, 3 reserved bits, 4 opcodes, 5 fragmentation, 6 UTF-8, 7 closing, 9 limits, 10 auto-fragmentation; and the HTTP
 * upgrade.
 *
 * Each case is decoded whole, byte by byte, and cut in two at every position; what comes out must always be the same.
 *
 * A case's input is words: <first byte in hex><payload>, masked, with the shortest length. Payloads: `:text`, `=hex`,
 * `*n` (n filler bytes). `u` in front: not masked; `l2`, `l8` in front: length in 2 or 8 bytes; `x` alone: raw bytes in hex.
 * Output words: T text, B binary, P ping, O pong with a payload; C<code><payload> close; E<code> error.
 */
#include "unit.h"

#include "base/buf.h"
#include "base/conf.h"
#include "push/codec.h"

#define MAX_MESSAGE 300000
#define CUT_ALL     1200

struct sample {
	const char *name, *in, *out;
};

/* --- the little language --- */

static const unsigned char mask[4] = { 0x37, 0xfa, 0x21, 0x3d };

static int
hex_digit(char c)
{
	return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

static void
add_payload(struct buf *b, struct str word)
{
	int64_t n = 0;

	if (word.n && word.p[0] == '=') {
		for (size_t i = 1; i + 1 < word.n; i += 2)
			buf_char(b, (char)(hex_digit(word.p[i]) << 4 | hex_digit(word.p[i + 1])));
	} else if (word.n && word.p[0] == ':') {
		buf_add(b, word.p + 1, word.n - 1);
	} else if (word.n && word.p[0] == '*') {
		assert_true(str_int64(str_n(word.p + 1, word.n - 1), &n));
		for (int64_t i = 0; i < n; i++)
			buf_char(b, (char)('a' + i % 26));
	}
}

static void
add_length(struct buf *b, size_t n, int forced, unsigned char masked)
{
	int bytes = forced ? forced : n < 126 ? 0 : n < 65536 ? 2 : 8;

	buf_char(b, (char)(masked | (bytes == 0 ? (int)n : bytes == 2 ? 126 : 127)));
	for (int i = bytes - 1; i >= 0; i--)
		buf_char(b, (char)((uint64_t)n >> 8 * i));
}

static void
add_frame(struct buf *b, struct str word)
{
	bool masked = true;
	struct buf payload;
	int forced = 0;

	if (word.p[0] == 'x') {
		for (size_t i = 1; i + 1 < word.n; i += 2)
			buf_char(b, (char)(hex_digit(word.p[i]) << 4 | hex_digit(word.p[i + 1])));
		return;
	}
	if (word.p[0] == 'u') {
		masked = false;
		word = str_n(word.p + 1, word.n - 1);
	}
	if (word.p[0] == 'l') {
		forced = word.p[1] - '0';
		word = str_n(word.p + 2, word.n - 2);
	}
	buf_init(&payload, 1 << 22);
	add_payload(&payload, str_n(word.p + 2, word.n - 2));
	buf_char(b, (char)(hex_digit(word.p[0]) << 4 | hex_digit(word.p[1])));
	add_length(b, payload.n, forced, masked ? 0x80 : 0);
	if (masked)
		buf_add(b, mask, 4);
	for (size_t i = 0; i < payload.n; i++)
		buf_char(b, (char)((unsigned char)payload.p[i] ^ (masked ? mask[i & 3] : 0)));
	buf_deinit(&payload);
}

/* The expected output in its long form: every word is kind, code, length, bytes. */
static void
add_event(struct buf *b, char kind, int code, struct str payload)
{
	buf_printf(b, "%c%d,%zu,", kind, code, payload.n);
	buf_str(b, payload);
	buf_char(b, '\n');
}

static void
add_expected(struct buf *b, struct str word)
{
	char kind = word.p[0];
	struct buf payload;
	int code = 0;

	word = str_n(word.p + 1, word.n - 1);
	while (word.n && word.p[0] >= '0' && word.p[0] <= '9') {
		code = code * 10 + word.p[0] - '0';
		word = str_n(word.p + 1, word.n - 1);
	}
	buf_init(&payload, 1 << 22);
	add_payload(&payload, word);
	add_event(b, kind, code, buf_view(&payload));
	buf_deinit(&payload);
}

static void
each_word(const char *text, struct buf *b, void (*fn)(struct buf *, struct str))
{
	struct str rest = str_c(text);

	while (rest.n) {
		struct str word = str_cut(&rest, ' ');

		if (word.n)
			fn(b, word);
	}
}

/* --- running --- */

static void
feed_piece(struct ws *ws, const char *p, size_t n, struct buf *out)
{
	static const char kinds[] = {
		[WS_TEXT] = 'T', [WS_BINARY] = 'B', [WS_PING] = 'P', [WS_PONG] = 'O', [WS_CLOSE] = 'C', [WS_ERROR] = 'E'
	};
	/* an exact heap copy: a read past the piece is seen by AddressSanitizer */
	unsigned char *copy = malloc(n ? n : 1);
	struct ws_input in = { copy, n };
	enum ws_event event;
	struct str payload;

	memcpy(copy, p, n);
	for (;;) {
		int code = 0;

		event = ws_next(ws, &in, &payload, &code);
		if (event == WS_MORE)
			break;
		add_event(out, kinds[event], code, event == WS_ERROR ? STR("") : payload);
	}
	free(copy);
}

static void
expect(struct ws *ws, struct buf *out, const struct buf *want, const char *how, size_t cut)
{
	if (!str_eq(buf_view(out), buf_view(want)))
		fail_msg("%s at %zu: got\n%.*s\nwanted\n%.*s", how, cut, (int)(out->n < 2000 ? out->n : 2000), out->p,
		         (int)(want->n < 2000 ? want->n : 2000), want->p);
	ws_deinit(ws);
	buf_clear(out);
}

static void
check_cut(const struct buf *in, const struct buf *want, size_t cut)
{
	struct ws ws = { .max_message = MAX_MESSAGE };
	struct buf out;

	buf_init(&out, 1 << 22);
	feed_piece(&ws, in->p, cut, &out);
	feed_piece(&ws, in->p + cut, in->n - cut, &out);
	expect(&ws, &out, want, "cut", cut);
	buf_deinit(&out);
}

static void
check_pieces(const struct buf *in, const struct buf *want, size_t size)
{
	struct ws ws = { .max_message = MAX_MESSAGE };
	struct buf out;

	buf_init(&out, 1 << 22);
	for (size_t at = 0; at < in->n; at += size)
		feed_piece(&ws, in->p + at, in->n - at < size ? in->n - at : size, &out);
	expect(&ws, &out, want, "pieces of", size);
	buf_deinit(&out);
}

static void
test_sample(void **state)
{
	const struct sample *s = *state;
	struct buf in, want;

	buf_init(&in, 1 << 22);
	buf_init(&want, 1 << 22);
	buf_add(&in, "", 0);
	each_word(s->in, &in, add_frame);
	each_word(s->out, &want, add_expected);
	for (size_t cut = 0; cut <= in.n; cut += in.n <= CUT_ALL || cut < 32 || in.n - cut < 32 ? 1 : in.n / 24)
		check_cut(&in, &want, cut);
	check_pieces(&in, &want, 1);
	check_pieces(&in, &want, 7);
	buf_deinit(&in);
	buf_deinit(&want);
}

/* --- the cases --- */

#define A_41       "6161616161616161616161616161616161616161616161616161616161616161616161616161616161"
#define REASON_123 A_41 A_41 A_41

static const struct sample samples[] = {
	/* 1: framing, text and binary of every length form */
	{ "1.1.1", "81", "T" },
	{ "1.1.2", "81*125", "T*125" },
	{ "1.1.3", "81*126", "T*126" },
	{ "1.1.4", "81*127", "T*127" },
	{ "1.1.5", "81*128", "T*128" },
	{ "1.1.6", "81*65535", "T*65535" },
	{ "1.1.7", "81*65536", "T*65536" },
	{ "1.1.8", "81*65537", "T*65537" },
	{ "1.2.1", "82", "B" },
	{ "1.2.2", "82*125", "B*125" },
	{ "1.2.3", "82*126", "B*126" },
	{ "1.2.4", "82*127", "B*127" },
	{ "1.2.5", "82*128", "B*128" },
	{ "1.2.6", "82*65535", "B*65535" },
	{ "1.2.7", "82*65536", "B*65536" },
	{ "1.2.8", "82=00fffe0080", "B=00fffe0080" },
	{ "1.3.1 two at once", "81:one 81:two", "T:one T:two" },
	{ "1.3.2 many", "81:a 82:b 81:c 82:d 81 82 81:e", "T:a B:b T:c B:d T B T:e" },
	/* minimal lengths and masks */
	{ "1.4.1 long form for 0", "l281", "E1002" },
	{ "1.4.2 long form for 125", "l281*125", "E1002" },
	{ "1.4.3 longest form for 1", "l881:a", "E1002" },
	{ "1.4.4 longest form for 65535", "l882*65535", "E1002" },
	{ "1.4.5 length with the top bit", "x81ff800000000000000037fa213d", "E1002" },
	{ "1.5.1 unmasked text", "u81:hello", "E1002" },
	{ "1.5.2 unmasked binary", "u82:hello", "E1002" },
	{ "1.5.3 unmasked ping", "u89:x", "E1002" },
	{ "1.5.4 unmasked close", "u88=03e8", "E1002" },
	{ "1.5.5 unmasked and empty", "u81", "E1002" },
	{ "1.5.6 masked, then not", "81:good u81:bad 81:never", "T:good E1002" },
	{ "1.5.7 mask of zeros", "x818500000000 x68656c6c6f", "T:hello" },
	/* 2: pings and pongs */
	{ "2.1", "89", "P" },
	{ "2.2", "89:hello", "P:hello" },
	{ "2.3", "89=00fffefdfcfb00ff", "P=00fffefdfcfb00ff" },
	{ "2.4", "89*125", "P*125" },
	{ "2.5", "89*126", "E1002" },
	{ "2.6", "89*125 89*125", "P*125 P*125" },
	{ "2.7", "8a", "O" },
	{ "2.8", "8a:unsolicited", "O:unsolicited" },
	{ "2.9", "8a:unsolicited 89:ping", "O:unsolicited P:ping" },
	{ "2.10", "89:0 89:1 89:2 89:3 89:4 89:5 89:6 89:7 89:8 89:9", "P:0 P:1 P:2 P:3 P:4 P:5 P:6 P:7 P:8 P:9" },
	{ "2.11 pong too long", "8a*126", "E1002" },
	{ "2.12 pong in the long form", "l28a:x", "E1002" },
	{ "2.13 text about pings", "89 81:x 89", "P T:x P" },
	/* 3: reserved bits */
	{ "3.1", "f1:x", "E1002" },
	{ "3.2", "81:good 91:bad 89", "T:good E1002" },
	{ "3.3", "81:good a1:bad 89", "T:good E1002" },
	{ "3.4", "81:good b1:bad 89", "T:good E1002" },
	{ "3.5", "c2*8", "E1002" },
	{ "3.6", "d2*8", "E1002" },
	{ "3.7", "e9", "E1002" },
	{ "3.8 RSV1 without compression agreed", "c1:x", "E1002" },
	{ "3.9 RSV1 on a continuation", "01:a c0:b", "E1002" },
	{ "3.10 RSV1 on a close", "c8=03e8", "E1002" },
	{ "3.11 RSV1 on a pong", "ca", "E1002" },
	/* 4: opcodes nobody has defined */
	{ "4.1.1", "83", "E1002" },
	{ "4.1.2", "84:x", "E1002" },
	{ "4.1.3", "81:good 85 89", "T:good E1002" },
	{ "4.1.4", "81:good 86:x 89", "T:good E1002" },
	{ "4.1.5", "81:good 87 89", "T:good E1002" },
	{ "4.2.1", "8b", "E1002" },
	{ "4.2.2", "8c:x", "E1002" },
	{ "4.2.3", "81:good 8d 89", "T:good E1002" },
	{ "4.2.4", "81:good 8e:x 89", "T:good E1002" },
	{ "4.2.5", "81:good 8f 89", "T:good E1002" },
	{ "4.3.1 in the middle of a message", "01:a 83:b", "E1002" },
	{ "4.3.2 not final", "03:a", "E1002" },
	/* 5: fragmentation */
	{ "5.1", "09:a 80:b", "E1002" },
	{ "5.2", "0a:a 80:b", "E1002" },
	{ "5.3", "01:frag1 80:frag2", "T:frag1frag2" },
	{ "5.4", "02:frag1 80:frag2", "B:frag1frag2" },
	{ "5.5", "01 80", "T" },
	{ "5.6", "01:frag1 89:ping 80:frag2", "P:ping T:frag1frag2" },
	{ "5.7", "01:frag1 8a:pong 80:frag2", "O:pong T:frag1frag2" },
	{ "5.8", "01:f 89 80:g 01:h 89 80:i", "P T:fg P T:hi" },
	{ "5.9", "80:x", "E1002" },
	{ "5.10", "80:x 81:never", "E1002" },
	{ "5.11", "80", "E1002" },
	{ "5.12", "00:x 81:never", "E1002" },
	{ "5.13", "00:x", "E1002" },
	{ "5.14", "00 80", "E1002" },
	{ "5.15", "01:a 80:b 00:c 81:never", "T:ab E1002" },
	{ "5.16", "00:a 81:b 80:c", "E1002" },
	{ "5.17", "80:a 81:b 80:c", "E1002" },
	{ "5.18", "01:a 81:b", "E1002" },
	{ "5.19", "01:a 00:b 89:p1 00:c 00:d 89:p2 80:e", "P:p1 P:p2 T:abcde" },
	{ "5.20", "01:a 00:b 89:p1 00:c 00:d 89:p2 80:e 81:next", "P:p1 P:p2 T:abcde T:next" },
	{ "5.21 binary inside text", "01:a 82:b", "E1002" },
	{ "5.22 begins anew, not final", "01:a 01:b", "E1002" },
	{ "5.23 close in the middle", "01:a 88=03e8 80:b", "C1000" },
	{ "5.24 empty pieces", "01 00 00 00 80:x", "T:x" },
	{ "5.25 not final ping", "09", "E1002" },
	{ "5.26 not final close", "08=03e8", "E1002" },
	{ "5.27 ping of 125 in the middle", "02*104 89*125 80*26", "P*125 B*130" },
	/* 6: text that is cut inside a character, and fails as soon as it can */
	{ "6.1.1", "81", "T" },
	{ "6.1.2", "01 00 80", "T" },
	{ "6.1.3", "01 00:middle 80", "T:middle" },
	{ "6.2.1", "81=48656c6c6f2dc2b540c39fc3b6c3a4c3bcc3a0c3a12d5554462d382121",
	  "T=48656c6c6f2dc2b540c39fc3b6c3a4c3bcc3a0c3a12d5554462d382121" },
	{ "6.2.2", "01=48656c6c6f2dc2b540c39fc3b6c3a4 80=c3bcc3a0c3a12d5554462d382121",
	  "T=48656c6c6f2dc2b540c39fc3b6c3a4c3bcc3a0c3a12d5554462d382121" },
	{ "6.2.3 cut inside a character", "01=c3 80=bc", "T=c3bc" },
	{ "6.2.4", "01=ce 00=ba 00=e1 00=bd 00=b9 00=cf 00=83 00=ce 80=bc", "T=cebae1bdb9cf83cebc" },
	{ "6.3.1", "81=cebae1bdb9cf83cebcceb5eda080656469746564", "E1007" },
	{ "6.3.2", "01=cebae1bdb9cf83cebcceb5 00=eda080 80=656469746564", "E1007" },
	{ "6.4.1 fails in the second piece", "01=cebae1bdb9cf83cebcceb5 00=f4908080", "E1007" },
	{ "6.4.2 fails at once", "01=cebae1bdb9cf83cebcceb5f4 00=90", "E1007" },
	{ "6.4.3 binary may hold anything", "02=cebaf4 80=908080", "B=cebaf4908080" },
	{ "6.4.4 ping between does not disturb", "01=ce 89:p 80=ba", "P:p T=ceba" },
	{ "6.5.1 ends inside a character", "81=ce", "E1007" },
	{ "6.5.2", "01=ce 80", "E1007" },
	{ "6.5.3", "01=e1bd 80", "E1007" },
	{ "6.5.4 the next message begins anew", "81=ceba 81=ceba", "T=ceba T=ceba" },
	{ "6.5.5 NUL is a character", "81=00", "T=00" },
	/* 7: closing */
	{ "7.1.1", "81:hello 88", "T:hello C1005" },
	{ "7.1.2", "88 88", "C1005" },
	{ "7.1.3", "88 89", "C1005" },
	{ "7.1.4", "88 81:never", "C1005" },
	{ "7.1.5", "01:a 88 80:b", "C1005" },
	{ "7.1.6", "81*60000 81:hello 88 89", "T*60000 T:hello C1005" },
	{ "7.3.1", "88", "C1005" },
	{ "7.3.2", "88=03", "E1002" },
	{ "7.3.3", "88=03e8", "C1000" },
	{ "7.3.4", "88=03e8676f6f64627965", "C1000:goodbye" },
	{ "7.3.5", "88=03e8" REASON_123, "C1000=" REASON_123 },
	{ "7.3.6", "88*126", "E1002" },
	{ "7.5.1", "88=03e8cebae1bdb9cf83cebcceb5eda080656469746564", "E1007" },
	{ "7.5.2", "88=03e8ceba", "C1000=ceba" },
	{ "7.5.3 reason ends inside a character", "88=03e8ce", "E1007" },
	{ "7.7.1", "88=03e8", "C1000" },
	{ "7.7.2", "88=03e9", "C1001" },
	{ "7.7.3", "88=03ea", "C1002" },
	{ "7.7.4", "88=03eb", "C1003" },
	{ "7.7.5", "88=03ef", "C1007" },
	{ "7.7.6", "88=03f0", "C1008" },
	{ "7.7.7", "88=03f1", "C1009" },
	{ "7.7.8", "88=03f2", "C1010" },
	{ "7.7.9", "88=03f3", "C1011" },
	{ "7.7.10", "88=0bb8", "C3000" },
	{ "7.7.11", "88=0f9f", "C3999" },
	{ "7.7.12", "88=0fa0", "C4000" },
	{ "7.7.13", "88=1387", "C4999" },
	{ "7.7.14 registered since", "88=03f4", "C1012" },
	{ "7.7.15 registered since", "88=03f5", "C1013" },
	{ "7.7.16 registered since", "88=03f6", "C1014" },
	{ "7.9.1", "88=0000", "E1002" },
	{ "7.9.2", "88=03e7", "E1002" },
	{ "7.9.3", "88=03ec", "E1002" },
	{ "7.9.4", "88=03ed", "E1002" },
	{ "7.9.5", "88=03ee", "E1002" },
	{ "7.9.6", "88=03f7", "E1002" },
	{ "7.9.7", "88=03f8", "E1002" },
	{ "7.9.8", "88=044c", "E1002" },
	{ "7.9.9", "88=07d0", "E1002" },
	{ "7.9.10", "88=0bb7", "E1002" },
	{ "7.13.1", "88=1388", "E1002" },
	{ "7.13.2", "88=ffff", "E1002" },
	{ "7.14 nothing after an error", "88=0000 81:never 89 88", "E1002" },
	/* 9: limits; MAX_MESSAGE is 300,000 */
	{ "9.1.1", "81*65536", "T*65536" },
	{ "9.1.2", "81*262144", "T*262144" },
	{ "9.1.3 exactly the limit", "81*300000", "T*300000" },
	{ "9.1.4 one more", "81*300001 81:never", "E1009" },
	{ "9.2.1", "82*65536", "B*65536" },
	{ "9.2.2", "82*262144", "B*262144" },
	{ "9.2.3 one more", "82*300001", "E1009" },
	{ "9.3.1 refused by the header alone", "x81ff0000000000ffffff37fa213d", "E1009" },
	{ "9.3.2 enormous", "x82ff7fffffffffffffff37fa213d", "E1009" },
	{ "9.3.3 too much in pieces", "01*200000 80*100001", "E1009" },
	{ "9.3.4 sum at the limit", "02*299988 80*12 89", "B*300000 P" },
	{ "9.3.5 the limit is per message", "81*299000 81*299000", "T*299000 T*299000" },
	{ "9.3.6 a ping in a full message", "02*300000 89:p 80 81:x", "P:p B*300000 T:x" },
	/* 10: one message in frames of other sizes */
	{ "10.1.1", "01*26 00*26 00*26 80*26", "T*104" },
	{ "10.1.2", "02*1300 00*1300 00*1300 80*1300", "B*5200" },
};

/* UTF-8 of Autobahn's groups 6.5 to 6.23: sequences, and whether they are text. */
static const struct {
	const char *hex;
	bool good;
} sequences[] = {
	{ "cebae1bdb9cf83cebcceb5", true },
	{ "48656c6c6f", true },
	/* first and last of each length */
	{ "00", true },
	{ "c280", true },
	{ "e0a080", true },
	{ "f0908080", true },
	{ "f888808080", false },
	{ "fc8480808080", false },
	{ "7f", true },
	{ "dfbf", true },
	{ "efbfbf", true },
	{ "f48fbfbf", true },
	{ "f7bfbfbf", false },
	{ "fbbfbfbfbf", false },
	{ "fdbfbfbfbfbf", false },
	/* other borders */
	{ "ed9fbf", true },
	{ "ee8080", true },
	{ "efbfbd", true },
	{ "f48fbfbf", true },
	{ "f4908080", false },
	{ "f5808080", false },
	/* continuation bytes alone */
	{ "80", false },
	{ "bf", false },
	{ "80bf", false },
	{ "80bf80", false },
	{ "80bf80bf", false },
	{ "80bf80bf80bf80", false },
	{ "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b"
	  "8b9babbbcbdbe",
	  false },
	/* first bytes alone */
	{ "c020c120c220", false },
	{ "e020e120e220", false },
	{ "f020f120f220", false },
	{ "f820f920", false },
	{ "fc20", false },
	{ "c220", false },
	{ "df20", false },
	{ "ef20", false },
	{ "f420", false },
	/* the last byte missing */
	{ "c0", false },
	{ "e080", false },
	{ "f08080", false },
	{ "f8808080", false },
	{ "fc80808080", false },
	{ "df", false },
	{ "efbf", false },
	{ "f48fbf", false },
	{ "fbbfbfbf", false },
	{ "fdbfbfbfbf", false },
	{ "c2", false },
	{ "e0a0", false },
	{ "f09080", false },
	{ "ee80", false },
	{ "c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf", false },
	/* bytes that never occur */
	{ "fe", false },
	{ "ff", false },
	{ "fefeffff", false },
	/* overlong */
	{ "c0af", false },
	{ "e080af", false },
	{ "f08080af", false },
	{ "f8808080af", false },
	{ "fc80808080af", false },
	{ "c1bf", false },
	{ "e09fbf", false },
	{ "f08fbfbf", false },
	{ "f887bfbfbf", false },
	{ "fc83bfbfbfbf", false },
	{ "c080", false },
	{ "e08080", false },
	{ "f0808080", false },
	{ "f880808080", false },
	{ "fc8080808080", false },
	/* surrogates, alone and in pairs */
	{ "eda080", false },
	{ "edadbf", false },
	{ "edae80", false },
	{ "edafbf", false },
	{ "edb080", false },
	{ "edbe80", false },
	{ "edbfbf", false },
	{ "eda080edb080", false },
	{ "eda080edbfbf", false },
	{ "edadbfedb080", false },
	{ "edadbfedbfbf", false },
	{ "edae80edb080", false },
	{ "edae80edbfbf", false },
	{ "edafbfedb080", false },
	{ "edafbfedbfbf", false },
	/* noncharacters are characters here */
	{ "efbfbe", true },
	{ "efbfbf", true },
	{ "efb790", true },
	{ "efb7af", true },
	{ "f09fbfbe", true },
	{ "f09fbfbf", true },
	{ "f0afbfbe", true },
	{ "f0afbfbf", true },
	{ "f0bfbfbe", true },
	{ "f0bfbfbf", true },
	{ "f18fbfbe", true },
	{ "f18fbfbf", true },
	{ "f19fbfbe", true },
	{ "f19fbfbf", true },
	{ "f1afbfbe", true },
	{ "f1afbfbf", true },
	{ "f1bfbfbe", true },
	{ "f1bfbfbf", true },
	{ "f28fbfbe", true },
	{ "f28fbfbf", true },
	{ "f29fbfbe", true },
	{ "f2afbfbf", true },
	{ "f2bfbfbe", true },
	{ "f38fbfbf", true },
	{ "f39fbfbe", true },
	{ "f3afbfbf", true },
	{ "f3bfbfbe", true },
	{ "f48fbfbe", true },
	/* the byte order mark and friends */
	{ "efbbbf", true },
	{ "efbfbc", true },
	{ "e280a8", true },
	{ "f09f9880", true },
};

#define SEQUENCES (sizeof(sequences) / sizeof(sequences[0]))
#define SAMPLES   (sizeof(samples) / sizeof(samples[0]))

static char *
made(const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	return text;
}

/* Each sequence in one frame, and in one frame per byte. They live as long as the process. */
static void
make_sequence(struct sample *whole, struct sample *pieces, size_t i)
{
	const char *hex = sequences[i].hex;
	size_t n = strlen(hex);
	struct buf b;

	buf_init(&b, 4096);
	for (size_t at = 0; at < n; at += 2)
		buf_printf(&b, "%s=%.2s ", at ? at + 2 == n ? "80" : "00" : n == 2 ? "81" : "01", hex + at);
	*whole = (struct sample){ made("6.6.%zu whole %s", i, hex), made("81=%s", hex),
		                  sequences[i].good ? made("T=%s", hex) : "E1007" };
	*pieces = (struct sample){ made("6.6.%zu pieces %s", i, hex), made("%.*s", STR_ARG(buf_view(&b))), whole->out };
	buf_deinit(&b);
}

/* --- outgoing headers, UTF-8, upgrade --- */

static void
test_write_head(void **state)
{
	static const struct {
		size_t n;
		const char *hex;
	} heads[] = {
		{ 0, "8100" }, { 125, "817d" }, { 126, "817e007e" }, { 65535, "817effff" }, { 65536, "817f0000000000010000" }
	};
	unsigned char out[WS_HEAD_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		size_t n = ws_write_head(out, WS_OP_TEXT, heads[i].n);
		char hex[2 * WS_HEAD_MAX + 1];

		for (size_t k = 0; k < n; k++)
			sprintf(hex + 2 * k, "%02x", out[k]);
		assert_string_equal(hex, heads[i].hex);
	}
	assert_int_equal(ws_write_head(out, WS_OP_CLOSE, 2), 2);
	assert_int_equal(out[0], 0x88);
}

static void
test_memory_at_boundaries(void **state)
{
	struct ws ws = { .max_message = MAX_MESSAGE };
	unsigned char bytes[] = { 0x81, 0x82, 0, 0, 0, 0, 'h', 'i', 0x81, 0x85, 0, 0, 0, 0, 'h' };
	struct ws_input in = { bytes, sizeof(bytes) };
	struct str payload;
	int code;

	(void)state;
	assert_int_equal(ws_next(&ws, &in, &payload, &code), WS_TEXT);
	assert_int_equal(ws_held(&ws), 0);
	assert_int_equal(ws_next(&ws, &in, &payload, &code), WS_MORE);
	assert_true(ws_held(&ws) > 0 && ws_held(&ws) < 512);
	in = (struct ws_input){ (unsigned char[]){ 'e', 'l', 'l', 'o' }, 4 };
	assert_int_equal(ws_next(&ws, &in, &payload, &code), WS_TEXT);
	assert_true(str_eq(payload, STR("hello")));
	assert_int_equal(ws_next(&ws, &in, &payload, &code), WS_MORE);
	assert_int_equal(ws_held(&ws), 0);
	ws_deinit(&ws);
}

#define GOOD_HEADERS                                                                                                        \
	"Host: chat.example\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"      \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static void
test_upgrade_rfc_example(void **state)
{
	struct str bytes = STR("GET /ws?gzip=0 HTTP/1.1\r\n" GOOD_HEADERS
	                       "Sec-WebSocket-Protocol: peal.v1, bearer.abc.def.ghi\r\nOrigin: https://chat.example\r\n"
	                       "X-Real-IP: 192.0.2.7\r\n\r\nrest");
	char out[UPGRADE_ANSWER_MAX + 1];
	struct upgrade up;
	size_t n;

	(void)state;
	for (size_t i = 0; i + 4 < bytes.n; i++)
		assert_int_equal(upgrade_parse(str_n(bytes.p, i), &up), 0);
	assert_int_equal(upgrade_parse(bytes, &up), 101);
	assert_int_equal(up.n, bytes.n - 4);
	assert_true(up.protocol);
	assert_true(str_eq(up.token, STR("abc.def.ghi")));
	assert_true(str_eq(up.origin, STR("https://chat.example")));
	assert_true(str_eq(up.address, STR("192.0.2.7")));
	n = upgrade_write(101, &up, out, sizeof(out));
	out[n] = 0;
	assert_non_null(strstr(out, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
	assert_non_null(strstr(out, "Sec-WebSocket-Protocol: peal.v1\r\n"));
	assert_null(strstr(out, "bearer"));
	assert_true(n < UPGRADE_ANSWER_MAX);
}

static void
test_upgrade_refusals(void **state)
{
	static const struct {
		const char *request;
		int status;
	} refusals[] = {
		{ "POST /ws HTTP/1.1\r\n" GOOD_HEADERS "\r\n", 405 },
		{ "GET /other HTTP/1.1\r\n" GOOD_HEADERS "\r\n", 404 },
		{ "GET /ws HTTP/1.0\r\n" GOOD_HEADERS "\r\n", 400 },
		{ "GET /ws\r\n" GOOD_HEADERS "\r\n", 400 },
		{ "\r\n\r\n", 400 },
		{ "GET /ws HTTP/1.1\r\nHost: a\r\n\r\n", 426 },
		{ "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		  400 },
		{ "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n"
		  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		  426 },
		{ "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		  426 },
		{ "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
		  "13\r\n\r\n",
		  400 },
		{ "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		  "Sec-WebSocket-Key: dG9vIHNob3J0\r\n\r\n",
		  400 },
		{ "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!==\r\n\r\n",
		  400 },
		{ "GET /ws HTTP/1.1\r\n" GOOD_HEADERS "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", 400 },
		{ "GET /ws HTTP/1.1\r\n" GOOD_HEADERS "Origin: a\r\nOrigin: b\r\n\r\n", 400 },
		{ "GET /ws HTTP/1.1\r\n" GOOD_HEADERS "Transfer-Encoding: chunked\r\n\r\n", 400 },
		{ "GET /ws HTTP/1.1\r\n" GOOD_HEADERS "Content-Length: 5\r\n\r\n", 400 },
		{ "GET /ws HTTP/1.1\r\n" GOOD_HEADERS " folded: x\r\n\r\n", 400 },
		{ "GET /ws HTTP/1.1\r\n" GOOD_HEADERS "no colon\r\n\r\n", 400 },
		{ "GET /ws HTTP/1.1\r\n" GOOD_HEADERS "bad\x01name: x\r\n\r\n", 400 },
		{ "GET /ws HTTP/1.1\r\n" GOOD_HEADERS "name: bad\x01value\r\n\r\n", 400 },
		{ "GET /ws HTTP/1.1\r\n" GOOD_HEADERS "name: bare\nlf: x\r\n\r\n", 400 },
		{ "GET /ws HTTP/1.1\r\n" GOOD_HEADERS "name: bare\rcr\r\n\r\n", 400 },
	};
	char *endless = malloc(UPGRADE_MAX);
	struct upgrade up;

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (upgrade_parse(str_c(refusals[i].request), &up) != refusals[i].status)
			fail_msg("refusal %zu", i);
	memset(endless, 'a', UPGRADE_MAX);
	assert_int_equal(upgrade_parse(str_n(endless, UPGRADE_MAX), &up), 431);
	assert_int_equal(upgrade_parse(str_n(endless, UPGRADE_MAX - 1), &up), 0);
	free(endless);
}

static void
test_upgrade_authorization(void **state)
{
	struct upgrade up;

	(void)state;
	assert_int_equal(upgrade_parse(STR("GET /ws HTTP/1.1\r\n" GOOD_HEADERS "Authorization: bearer  a.b.c\r\n\r\n"), &up),
	                 101);
	assert_true(str_eq(up.token, STR("a.b.c")));
	assert_int_equal(upgrade_parse(STR("GET /ws HTTP/1.1\r\n" GOOD_HEADERS "Authorization: Basic abc\r\n\r\n"), &up),
	                 101);
	assert_false(str_present(up.token));
}

static void
test_origin(void **state)
{
	const struct conf conf = { .origins = "https://a.example  https://b.example:8443",
		                   .public_url = "http://localhost:8080" };
	const struct conf alone = { .origins = "", .public_url = "http://localhost:8080" };
	struct upgrade up = { 0 };

	(void)state;
	assert_false(upgrade_origin_allowed(&up, &conf));
	up.token = STR("a.b.c");
	assert_true(upgrade_origin_allowed(&up, &conf));
	up.origin = STR("https://evil.example");
	assert_false(upgrade_origin_allowed(&up, &conf));
	up.origin = STR("null");
	assert_false(upgrade_origin_allowed(&up, &conf));
	up.origin = STR("");
	assert_false(upgrade_origin_allowed(&up, &alone));
	up.origin = STR("https://a.example");
	assert_true(upgrade_origin_allowed(&up, &conf));
	up.origin = STR("https://a.example.evil.example");
	assert_false(upgrade_origin_allowed(&up, &conf));
	up.origin = STR("https://B.example:8443"); /* no browser writes it so */
	assert_false(upgrade_origin_allowed(&up, &conf));
	up.origin = STR("https://b.example:8443");
	assert_true(upgrade_origin_allowed(&up, &conf));
	up.origin = STR("http://localhost:8080");
	assert_true(upgrade_origin_allowed(&up, &alone));
	up.origin = STR("http://localhost");
	assert_false(upgrade_origin_allowed(&up, &conf));
}

int
main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(test_write_head),
		cmocka_unit_test(test_memory_at_boundaries),
		cmocka_unit_test(test_upgrade_rfc_example),
		cmocka_unit_test(test_upgrade_refusals),
		cmocka_unit_test(test_upgrade_authorization),
		cmocka_unit_test(test_origin),
	};
	static struct sample cut[2 * SEQUENCES];
	static struct CMUnitTest tests[SAMPLES + 2 * SEQUENCES];
	size_t n = 0;

	for (size_t i = 0; i < SEQUENCES; i++)
		make_sequence(&cut[2 * i], &cut[2 * i + 1], i);
	for (size_t i = 0; i < SAMPLES; i++)
		tests[n++] = (struct CMUnitTest){ samples[i].name, test_sample, NULL, NULL, (void *)&samples[i] };
	for (size_t i = 0; i < 2 * SEQUENCES; i++)
		tests[n++] = (struct CMUnitTest){ cut[i].name, test_sample, NULL, NULL, &cut[i] };
	return _cmocka_run_group_tests("codec", tests, n, NULL, NULL) +
	       cmocka_run_group_tests_name("upgrade", others, NULL, NULL);
}
