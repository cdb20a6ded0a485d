package server

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"
)

// These tests send the same bytes to this server and to Debian's redis-server
// and compare the replies byte for byte, but for the order of what has none.

// pair is a connection to each.
type pair struct {
	t          *testing.T
	ours, real *client
}

func newPair(t *testing.T) pair {
	_, address := start(t)
	return pair{t, dial(t, address), dial(t, startReal(t))}
}

// do sends a request to both, and fails the test if the replies differ.
func (p pair) do(args ...string) string {
	p.t.Helper()
	for _, c := range []*client{p.ours, p.real} {
		c.send(encode(args...))
	}
	got, want := normal(args, p.ours.reply()), normal(args, p.real.reply())
	if got != want {
		p.t.Errorf("%q:\n got %s\nwant %s", args, got, want)
	}
	return got
}

// normal prints a reply with everything in order that has no order.
func normal(args []string, r *reply) string {
	switch strings.ToLower(args[0]) {
	case "smembers", "keys", "spop":
		r.sorted(1)
	case "hgetall", "config":
		r.sorted(2)
	}
	return r.String()
}

// scripts are requests, one a line, that show each command's replies. Every
// line runs in both protocol versions.
var scripts = map[string]string{
	"connection": `
PING
PING hello
ECHO hello
ECHO
SELECT 1
SELECT 16
SELECT -1
SELECT x
SELECT 0
HELLO 4
HELLO x
HELLO 3 SETNAME
HELLO 3 NOSUCH
HELLO 3 AUTH nobody x
CLIENT GETNAME
CLIENT SETNAME me
CLIENT GETNAME
CLIENT SETNAME
CLIENT
CLIENT NOSUCH
NOSUCH
NOSUCH a b c
averyveryverylongcommandname a
nosuch aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb c
CONFIG GET save
CONFIG GET appendonly
CONFIG GET databases
CONFIG GET nosuch
CONFIG GET
CONFIG NOSUCH
COMMAND NOSUCH
COMMAND COUNT x
SHUTDOWN nosuch
SHUTDOWN ABORT
`,
	"set": `
SET s v
set S v
GET s
SET s v NX
SET n v NX
SET n w XX
SET m w XX
GET n
SET n x GET
SET missing x GET
SET n y NX GET
SET q y NX GET
SET n y XX GET
SET s v EX 100
TTL s
SET s v KEEPTTL
TTL s
SET s v
TTL s
SET s v PX 100000
TTL s
SET s v EXAT 99999999999
EXPIRETIME s
PEXPIRETIME s
SET s v PXAT 99999999999999
PEXPIRETIME s
SET s v EX 0
SET s v EX -1
SET s v EX x
SET s v EX 10000000000000000
SET s v EXAT 1
GET s
SET s v NX XX
SET s v EX 1 PX 1
SET s v EX 1 KEEPTTL
SET s v KEEPTTL EX 1
SET s v EX
SET s v NOSUCH
SET s v NOSUCH x
SET s v PERSIST
SET s
SETEX s 100 v
SETEX s 0 v
SETEX s x v
SETEX s 99999999999999999 v
PSETEX s 100000 v
PSETEX s 0 v
LPUSH l a
SET l v GET
TYPE l
SET l v
TYPE l
LPUSH k a
SET k v NX GET
`,
	"strings": `
GET none
GETDEL none
SET a 1
GETDEL a
GET a
MSET a 1 b 2
MSET a
MSET a 1 b
MGET a b none
LPUSH l x
MGET a l
GET l
INCR a
INCR none
INCR l
DECR a
DECR none
INCRBY a 5
INCRBY a x
INCRBY a -5
DECRBY a 5
DECRBY a -9223372036854775808
SET a 9223372036854775807
INCR a
SET a -9223372036854775808
DECR a
INCRBY a -1
DECRBY a 1
SET a 01
INCR a
SET a +1
INCR a
SET a -0
INCR a
SET a 1.5
INCR a
APPEND a xyz
APPEND fresh xyz
APPEND l x
STRLEN a
STRLEN none
STRLEN l
GETEX a
GETEX none EX 5
GETEX l
GETEX a EX 100
TTL a
GETEX a PERSIST
TTL a
GETEX a EXAT 99999999999
EXPIRETIME a
GETEX a PX 0
GETEX a EX x
GETEX a EX 10 PERSIST
GETEX a NX
GETEX a KEEPTTL
GETEX a EXAT 1
EXISTS a
SETEX x 100 1
INCR x
TTL x
APPEND x 1
TTL x
`,
	"keys": `
DBSIZE
MSET a 1 b 2 c 3
DBSIZE
EXISTS a a none b
DEL a a none
TYPE none
TYPE c
SADD s x
TYPE s
HSET h f v
TYPE h
ZADD z 1 m
TYPE z
RPUSH l e
TYPE l
KEYS *
KEYS ?
KEYS [a-l]
KEYS
SCAN x
SCAN 0 COUNT
SCAN 0 COUNT 0
SCAN 0 COUNT x
SCAN 0 NOSUCH x
SCAN 0 COUNT 1000 MATCH nosuch
SCAN 0 COUNT 1000 TYPE hash
SCAN 0 COUNT 1000 TYPE nosuch
SCAN 0 COUNT 1000 MATCH [h] TYPE HASH
SCAN 18446744073709551616
EXPIRE c 100
TTL c
EXPIRE c 50 GT
EXPIRE c 50 LT
TTL c
EXPIRE c 70 NX
EXPIRE c 70 XX
EXPIRE none 70
EXPIRE c 70 GT LT
EXPIRE c 70 NX GT
EXPIRE c 70 NOSUCH
EXPIRE c x
EXPIRE c x NOSUCH
EXPIRE c 9223372036854775
EXPIRE c 9223372036854776
EXPIRE c -9223372036854776
PEXPIRE c 9223372036854775807
PEXPIREAT c 9223372036854775807
PEXPIRETIME c
EXPIRETIME c
PERSIST c
PERSIST c
PERSIST none
TTL c
PTTL c
TTL none
PTTL none
EXPIRETIME none
EXPIRE l 100 GT
EXPIRE l 100 LT
PEXPIRE l 100000 XX
EXPIREAT l 99999999999
EXPIRETIME l
EXPIREAT l 1
EXISTS l
EXPIRE h 0
EXISTS h
PEXPIREAT z -5
EXISTS z
FLUSHDB NOSUCH
FLUSHDB ASYNC
FLUSHALL a b
FLUSHALL
DBSIZE
`,
	"lists": `
LPUSH l a b c
RPUSH l d e
LLEN l
LRANGE l 0 -1
LRANGE l 1 2
LRANGE l -2 -1
LRANGE l -100 100
LRANGE l 3 1
LRANGE l 5 9
LRANGE l x 1
LRANGE l 0 x
LRANGE none 0 -1
LPOP l
RPOP l
LPOP l 2
LPOP l 0
RPOP l -1
RPOP l x
LPOP l 1 2
LPOP none
LPOP none 2
RPOP l 100
EXISTS l
LLEN l
LPUSH l
SET s v
LPUSH s a
LPOP s
LLEN s
LRANGE s 0 -1
`,
	"sets": `
SADD s a b c a
SCARD s
SADD s a
SISMEMBER s a
SISMEMBER s z
SISMEMBER none a
SMEMBERS s
SMEMBERS none
SREM s a z
SREM none a
SPOP s 100
EXISTS s
SPOP none
SPOP none 5
SPOP none -1
SADD t a
SPOP t 0
SPOP t
SPOP t x
SPOP t 1 2
SADD u a b
SREM u a b
EXISTS u
SADD u
SET k v
SADD k a
SPOP k
SCARD k
SMEMBERS k
`,
	"hashes": `
HSET h a 1 b 2
HSET h a 3 c 4
HSET h a
HSET h a 1 b
HGET h a
HGET h none
HGET none a
HGETALL h
HGETALL none
HLEN h
HLEN none
HDEL h a none
HDEL h b c
EXISTS h
HDEL none a
SET k v
HSET k a 1
HGET k a
HGETALL k
HDEL k a
HLEN k
`,
	"sorted sets": `
ZADD z 1 a 2 b 3 c
ZADD z 1 a
EXISTS none
ZADD z 1
ZADD z 1 a 2
ZADD z NX
ZADD z x a
ZADD z nan a
ZADD z inf top -inf bottom
ZADD z 1e400 a
ZADD z 0.1 tenth 1e20 big 1e21 bigger 123456789.125 exact 1e-7 tiny -0 zero
ZCARD z
ZCARD none
ZSCORE z a
ZSCORE z tenth
ZSCORE z big
ZSCORE z bigger
ZSCORE z exact
ZSCORE z tiny
ZSCORE z zero
ZSCORE z top
ZSCORE z none
ZSCORE none a
ZRANGE z 0 -1
ZRANGE z 0 -1 WITHSCORES
ZRANGE z 1 2 REV
ZRANGE z 0 0 REV WITHSCORES
ZRANGE z -3 -2
ZRANGE z 5 1
ZRANGE z 100 200
ZRANGE z x 1
ZRANGE z 0 -1 NOSUCH
ZRANGE z 0 -1 LIMIT 1
ZRANGE none 0 -1
ZPOPMIN z
ZPOPMIN z 2
ZPOPMIN z 0
ZPOPMIN z -1
ZPOPMIN z x
ZPOPMIN z 1 2
ZPOPMIN z 100
EXISTS z
ZPOPMIN none
ZPOPMIN none 3
SET k v
ZADD k 1 a
ZCARD k
ZSCORE k a
ZRANGE k 0 -1
ZPOPMIN k
ZPOPMIN k 0
`,
}

func TestRepliesAreThoseOfRedis(t *testing.T) {
	p := newPair(t)
	for name, script := range scripts {
		for _, proto := range []string{"2", "3"} {
			t.Run(name+" in RESP"+proto, func(t *testing.T) {
				p := pair{t, p.ours, p.real}
				for _, c := range []*client{p.ours, p.real} {
					c.do("HELLO", proto)
					c.do("FLUSHALL")
				}
				for line := range strings.Lines(strings.TrimSpace(script)) {
					p.do(strings.Fields(line)...)
				}
			})
		}
	}
}

// TestOptionsOutOfScope checks that options of Redis that this server does not
// have are refused, and not taken for something else.
func TestOptionsOutOfScope(t *testing.T) {
	_, address := start(t)
	c := dial(t, address)
	for _, tt := range []struct{ request, want string }{
		{"ZADD z NX 1 a", "-ERR syntax error"},
		{"ZADD z NX CH 1 a", "-ERR value is not a valid float"},
		{"ZADD z INCR 1 a", "-ERR syntax error"},
		{"ZRANGE z 0 -1 BYSCORE", "-ERR syntax error"},
		{"ZRANGE z - + BYLEX", "-ERR syntax error"},
		{"ZRANGE z 0 -1 LIMIT 0 1", "-ERR syntax error"},
		{"EXISTS z", ":0"},
	} {
		if got := c.words(tt.request); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.request, got, tt.want)
		}
	}
}

func TestHelloIsThatOfRedis(t *testing.T) {
	p := newPair(t)
	for _, request := range []string{"HELLO", "HELLO 3", "HELLO",
		"HELLO 2 AUTH default x SETNAME me"} {
		var got [2]string
		for i, c := range []*client{p.ours, p.real} {
			c.send(encode(strings.Fields(request)...))
			r := c.reply()
			r.list[7].text = "id" // the number of the connection
			got[i] = r.String()
		}
		if got[0] != got[1] {
			t.Errorf("%s:\n got %s\nwant %s", request, got[0], got[1])
		}
	}
}

// TestRandomCommands runs random requests over few keys, so that types clash
// and options meet every kind of value.
func TestRandomCommands(t *testing.T) {
	p := newPair(t)
	random := rand.New(rand.NewPCG(1, 2))
	for _, proto := range []string{"2", "3"} {
		p.ours.do("HELLO", proto)
		p.real.do("HELLO", proto)
		for n := range 6000 {
			if n%500 == 0 {
				p.do("FLUSHALL")
			}
			p.do(randomCommand(random)...)
			if t.Failed() {
				t.Fatalf("after %d commands", n)
			}
		}
		compareStores(p)
	}
}

// compareStores compares everything in the databases.
func compareStores(p pair) {
	p.do("KEYS", "*")
	for _, key := range p.ours.keys() {
		p.do("PEXPIRETIME", key)
		switch p.do("TYPE", key) {
		case "+string":
			p.do("GET", key)
		case "+list":
			p.do("LRANGE", key, "0", "-1")
		case "+set":
			p.do("SMEMBERS", key)
		case "+hash":
			p.do("HGETALL", key)
		case "+zset":
			p.do("ZRANGE", key, "0", "-1", "WITHSCORES")
		}
	}
}

func (c *client) keys() []string {
	c.send(encode("KEYS", "*"))
	var keys []string
	for _, r := range c.reply().list {
		keys = append(keys, r.text)
	}
	return keys
}

// templates of random requests: k is a key, m a member, i an integer, f a
// float, c a count, t a time that is long past or far away. a|b is a choice,
// what is in brackets is there or not.
var templates = []string{
	"GET k", "SET k m", "SET k i", "SET k m [NX|XX] [GET] [EXAT|PXAT t]", "SET k m [KEEPTTL] [GET]",
	"GETDEL k", "GETEX k [PERSIST]", "GETEX k EXAT|PXAT t", "MGET k k k", "MSET k m k i",
	"INCR k", "DECR k", "INCRBY k i", "DECRBY k i", "APPEND k m", "STRLEN k",
	"DEL k k", "EXISTS k k", "TYPE k", "DBSIZE", "KEYS *",
	"EXPIREAT k t [NX|XX|GT|LT]", "PEXPIREAT k t [NX|XX|GT|LT]", "EXPIRETIME k", "PEXPIRETIME k",
	"PERSIST k",
	"LPUSH k m m", "RPUSH k m", "LPOP k [c]", "RPOP k [c]", "LLEN k", "LRANGE k i i",
	"SADD k m m", "SREM k m", "SCARD k", "SMEMBERS k", "SISMEMBER k m", "SPOP k 1000",
	"HSET k m i m m", "HGET k m", "HGETALL k", "HDEL k m", "HLEN k",
	"ZADD k f m f m", "ZADD k f m",
	"ZPOPMIN k [c]", "ZCARD k", "ZSCORE k m", "ZRANGE k i i [REV] [WITHSCORES]",
}

func randomCommand(random *rand.Rand) []string {
	choose := func(list string) string {
		options := strings.Split(list, "|")
		return options[random.IntN(len(options))]
	}
	value := func(word string) string {
		switch word {
		case "k":
			return fmt.Sprintf("key%d", random.IntN(6))
		case "m":
			return fmt.Sprintf("m%d", random.IntN(30))
		case "i":
			return choose("0|1|-1|2|-2|3|17|-100|100|9223372036854775807|-9223372036854775808|x")
		case "f":
			return choose("0|1|-1|2.5|0.1|-0.3|1e10|3|4|5|6|7|inf|-inf|1e-5|x")
		case "c":
			return choose("0|1|2|3|100|-1|x")
		case "t":
			return choose("1|99999999999|99999999998|9999999999999|x|-1|9223372036854775807")
		}
		return choose(word)
	}
	var args []string
	skip := false
	for word := range strings.FieldsSeq(templates[random.IntN(len(templates))]) {
		if strings.HasPrefix(word, "[") {
			skip = random.IntN(2) == 0
		}
		if !skip {
			args = append(args, value(strings.Trim(word, "[]")))
		}
		if strings.HasSuffix(word, "]") {
			skip = false
		}
	}
	return args
}

// exchange sends raw bytes, ends the sending side and returns all that comes.
func exchange(t *testing.T, address string, input []byte) string {
	t.Helper()
	c := dial(t, address)
	defer c.Close()
	c.send(input)
	if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil && !errors.Is(err,
		syscall.ENOTCONN) {
		// as it was reset
		t.Fatal(err)
	}
	output, err := io.ReadAll(c.in)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		t.Fatal(err)
	}
	return string(output)
}

func TestProtocolIsThatOfRedis(t *testing.T) {
	_, ours := start(t)
	real := startReal(t)
	long := strings.Repeat("x", 70000)
	tests := []struct{ name, input string }{
		{"nothing", ""},
		{"empty lines", "\r\n\r\n\nPING\r\n"},
		{"inline", "PING\r\nping\nECHO 'a b'\r\n"},
		{"inline quotes", `SET "a\x41\n\t\"" 'it\'s'` + "\r\n" + `GET "aA\n\t\""` + "\r\n"},
		{"inline unbalanced", "ECHO \"a\r\nPING\r\n"},
		{"inline glued quotes", "ECHO \"a\"b\r\nPING\r\n"},
		{"inline quote in word", "ECHO a\"b c\"\r\n"},
		{"inline too long", long},
		{"inline without end", "PING"},
		{"empty array", "*0\r\nPING\r\n"},
		{"null array", "*-1\r\nPING\r\n"},
		{"negative array", "*-10\r\nPING\r\n"},
		{"array length no number", "*x\r\nPING\r\n"},
		{"array length empty", "*\r\nPING\r\n"},
		{"array length with plus", "*+1\r\n$4\r\nPING\r\n"},
		{"array length with zeros", "*01\r\n$4\r\nPING\r\n"},
		{"array length too large", "*3000000000\r\n"},
		{"array length beyond 64 bits", "*99999999999999999999\r\n"},
		{"array header too long", "*" + long},
		{"bulk header too long", "*1\r\n$" + long},
		{"bulk too large", "*1\r\n$536870913\r\n"},
		{"bulk negative", "*1\r\n$-1\r\n"},
		{"bulk length no number", "*1\r\n$x\r\n"},
		{"bulk missing", "*1\r\nfoo\r\n"},
		{"bulk missing in the middle", "*2\r\n$4\r\nECHO\r\n:1\r\n"},
		{"bulk header empty", "*1\r\n\r\n"},
		{"pipeline before an error", "PING\r\n*1\r\n$4\r\nPING\r\n*1\r\nx\r\nPING\r\n"},
		{"array without end", "*2\r\n$4\r\nECHO\r\n$3\r\nab"},
		{"binary", "*2\r\n$4\r\nECHO\r\n$6\r\n\x00\r\n\xff\r\n\r\n"},
		{"error text with line ends", "*1\r\n$5\r\na\r\nbc\r\n"},
		{"quit", "QUIT\r\nPING\r\n"},
		{"empty command name", "*1\r\n$0\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, want := exchange(t, ours, []byte(tt.input)), exchange(t, real, []byte(tt.input))
			if got != want {
				t.Errorf("%.200q:\n got %.300q\nwant %.300q", tt.input, got, want)
			}
		})
	}
}

// TestBrokenProtocol breaks valid pipelines at random. Where this server is
// stricter than Redis, in what must follow a length, it says so and closes.
func TestBrokenProtocol(t *testing.T) {
	_, ours := start(t)
	real := startReal(t)
	random := rand.New(rand.NewPCG(3, 4))
	const strict = "-ERR Protocol error: invalid "
	for n := range 1500 {
		var input []byte
		for range 1 + random.IntN(4) {
			switch random.IntN(4) {
			case 0:
				input = append(input, "PING\r\n"...)
			case 1:
				input = append(input, "ECHO \"a b\" \r\n"...)
			default:
				input = append(input, encode("ECHO", fmt.Sprint(random.Uint32()))...)
			}
		}
		for range 1 + random.IntN(2) {
			input[random.IntN(len(input))] = "\r\n*$-0123 \"'abPG"[random.IntN(16)]
		}
		got, want := exchange(t, ours, input), exchange(t, real, input)
		at := strings.LastIndex(got, strict)
		if got != want && (at < 0 || !strings.HasPrefix(want, got[:at])) {
			t.Errorf("case %d: %q:\n got %q\nwant %q", n, input, got, want)
		}
	}
}

// TestPatternsMatchLikeRedis compares KEYS for random patterns. It leaves out
// the empty key, which "**" does not match in Redis though "*" does.
func TestPatternsMatchLikeRedis(t *testing.T) {
	p := newPair(t)
	random := rand.New(rand.NewPCG(5, 6))
	text := func(alphabet string, n int) string {
		b := make([]byte, random.IntN(n))
		for i := range b {
			b[i] = alphabet[random.IntN(len(alphabet))]
		}
		return string(b)
	}
	for range 200 {
		p.do("SET", "a"+text("abc-]^[\\*", 6), "v")
	}
	for range 1500 {
		p.do("KEYS", text("abc*?[]^-\\", 9))
		if t.Failed() {
			return
		}
	}
}

// TestExpiredKeysAreGone compares what is seen after deadlines pass.
func TestExpiredKeysAreGone(t *testing.T) {
	p := newPair(t)
	p.do("SET", "a", "v", "PX", "1")
	p.do("RPUSH", "l", "x", "y")
	p.do("PEXPIRE", "l", "1")
	p.do("HSET", "h", "f", "v")
	p.do("PEXPIRE", "h", "1")
	p.do("SET", "stays", "v", "EX", "100")
	// the deadlines are in real time, as Redis's clock is
	timer := time.NewTimer(20 * time.Millisecond)
	<-timer.C
	for _, request := range []string{
		"GET a", "LRANGE l 0 -1", "HGETALL h", "TTL a", "EXISTS a l h stays", "PERSIST a",
		"EXPIRE a 10",
		"SET a v XX", "KEYS *", "APPEND a x", "TTL a", "LPUSH l z", "LRANGE l 0 -1", "TTL l",
		"DBSIZE",
	} {
		p.do(strings.Fields(request)...)
	}
}
