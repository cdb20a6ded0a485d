package server

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

// What real_test.go cannot compare: commands whose replies are of this server,
// and those that choose at random.

func TestCommandTable(t *testing.T) {
	want := strings.Fields(`append client command config dbsize decr decrby del echo exists expire expireat
		expiretime flushall flushdb get getdel getex hdel hello hget hgetall hlen hset incr incrby info keys
		llen lpop lpush lrange mget mset persist pexpire pexpireat pexpiretime ping psetex pttl quit rpop rpush
		sadd scan scard select set setex shutdown sismember smembers spop srem strlen time ttl type
		zadd zcard zpopmin zrange zscore`)
	_, address := start(t)
	c := dial(t, address)
	c.send(encode("COMMAND"))
	var got []string
	for _, r := range c.reply().list {
		got = append(got, r.list[0].text)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if n := c.do("COMMAND", "COUNT"); n != fmt.Sprintf(":%d", len(want)) {
		t.Errorf("COMMAND COUNT is %s", n)
	}
}

// TestCommandsAreToldAsByRedis compares arity and keys of all commands.
func TestCommandsAreToldAsByRedis(t *testing.T) {
	p := newPair(t)
	p.ours.send(encode("COMMAND"))
	for _, ours := range p.ours.reply().list {
		name := ours.list[0].text
		p.real.send(encode("COMMAND", "INFO", name))
		real := p.real.reply().list[0]
		if real.text == "-1" {
			t.Errorf("%s is no command of Redis", name)
			continue
		}
		if len(ours.list) != len(real.list) {
			t.Errorf("%s: %d fields, want %d", name, len(ours.list), len(real.list))
		}
		for _, i := range []int{0, 1, 3, 4, 5} {
			if got, want := ours.list[i].String(), real.list[i].String(); got != want {
				t.Errorf("%s: field %d is %s, want %s", name, i, got, want)
			}
		}
		if got, want := ours.list[2].sorted(1).String(),
			real.list[2].sorted(1).String(); got != want {
			t.Errorf("%s: flags are %s, want %s", name, got, want)
		}
	}
}

func TestCommandInfo(t *testing.T) {
	_, address := start(t)
	c := dial(t, address)
	c.do("HELLO", "3")
	if got := c.words("COMMAND INFO nosuch GET client|id"); !strings.HasPrefix(got,
		`*[_ *[$"get" :2 ~[+readonly +fast] :1 :1 :1 `) || !strings.HasSuffix(got, "] _]") {
		t.Errorf("got %s", got)
	}
	// redis-cli falls back to the help that it brings along.
	if got, want := c.words("COMMAND DOCS"),
		"-ERR unknown subcommand 'DOCS'. Try COMMAND HELP."; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := c.words("CLIENT|ID"), "-ERR unknown command 'CLIENT|ID', with args "+
		"beginning with: "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestClientCommands(t *testing.T) {
	_, address := start(t)
	first, second := dial(t, address), dial(t, address)
	tests := []struct{ request, want string }{
		{"CLIENT ID", ":1"},
		{"CLIENT SETNAME me", "+OK"},
		{"CLIENT GETNAME", `$"me"`},
		{"CLIENT SETNAME a\x01b", "-ERR Client names cannot contain spaces, newlines or special " +
			"characters."},
		{"SELECT 3", "+OK"},
	}
	for _, tt := range tests {
		if got := first.words(tt.request); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.request, got, tt.want)
		}
	}
	second.words("HELLO 3 SETNAME other")
	if got, want := second.words("CLIENT GETNAME")+second.words("CLIENT ID"),
		`$"other":2`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := first.words("CLIENT GETNAME"), `$"me"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestTextInRESP3 looks at the only kind of reply that is for people.
func TestTextInRESP3(t *testing.T) {
	_, address := start(t)
	c := dial(t, address)
	c.words("HELLO 3")
	if got := c.words("INFO server"); !strings.HasPrefix(got, `="txt:# Server`) {
		t.Errorf("got %s", got)
	}
}

func TestInfo(t *testing.T) {
	_, address := start(t)
	c := dial(t, address)
	c.words("SELECT 2")
	c.words("MSET a 1 b 2")
	c.words("EXPIRE a 100")
	all := c.words("INFO")
	for _, want := range []string{ // what redis-cli --stat reads
		"redis_version:7.0.15", "connected_clients:1", "blocked_clients:0", "used_memory:",
		"total_commands_processed:4",
		"total_connections_received:1", "loading:0", "db2:keys=2,expires=1",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no %s in %s", want, all)
		}
	}
	if got, want := c.words("INFO keyspace"),
		`$"# Keyspace\r\ndb2:keys=2,expires=1,avg_ttl=0\r\n"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := c.words("INFO clients replication"); !regexp.MustCompile(
		`# Clients.*# Replication`).MatchString(got) || strings.Contains(got, "Memory") {
		t.Errorf("got %s", got)
	}
	if got := c.words("INFO everything"); !strings.Contains(got, "# Stats") {
		t.Errorf("got %s", got)
	}
	if got := c.words("INFO nosuch"); got != `$""` {
		t.Errorf("got %s", got)
	}
}

func TestConfigGet(t *testing.T) {
	_, address := start(t)
	c := dial(t, address)
	c.words("HELLO 3")
	if got, want := c.words("CONFIG GET SAVE max*ory nosuch"),
		`%[$"maxmemory" $"0" $"save" $""]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := c.words("CONFIG SET save x"),
		"-ERR unknown subcommand 'SET'. Try CONFIG HELP."; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTime(t *testing.T) {
	_, address := start(t)
	if got := dial(t, address).words("TIME"); !regexp.MustCompile(
		`^\*\[\$"\d{10}" \$"\d{1,6}"\]$`).MatchString(got) {
		t.Errorf("got %s", got)
	}
}

// TestScanReturnsAllKeys walks the keys in both orders of options.
func TestScanReturnsAllKeys(t *testing.T) {
	_, address := start(t)
	c := dial(t, address)
	for i := range 1000 {
		c.do("SET", fmt.Sprint("key", i), "v")
		c.do("RPUSH", fmt.Sprint("list", i), "v")
	}
	tests := []struct {
		options string
		want    int
	}{
		{"", 2000}, {"COUNT 7", 2000}, {"MATCH key*", 1000}, {"TYPE list COUNT 100", 1000},
		{"MATCH *1 TYPE string COUNT 3000", 100},
	}
	for _, tt := range tests {
		seen := map[string]bool{}
		cursor := "0"
		for {
			c.send(encode(strings.Fields("SCAN " + cursor + " " + tt.options)...))
			r := c.reply()
			for _, key := range r.list[1].list {
				seen[key.text] = true
			}
			if cursor = r.list[0].text; cursor == "0" {
				break
			}
		}
		if len(seen) != tt.want {
			t.Errorf("SCAN %s: %d keys, want %d", tt.options, len(seen), tt.want)
		}
	}
}

// TestSPopIsFair counts which of ten members goes first.
func TestSPopIsFair(t *testing.T) {
	_, address := start(t)
	c := dial(t, address)
	first := map[string]int{}
	const rounds = 2000
	for range rounds {
		c.send(encode(strings.Fields("SADD s 0 1 2 3 4 5 6 7 8 9")...))
		c.send(encode("SPOP", "s"))
		c.reply()
		first[c.reply().text]++
	}
	for member, n := range first {
		if n < rounds/20 || n > rounds/5 {
			t.Errorf("member %s went first %d times of %d", member, n, rounds)
		}
	}
	if len(first) != 10 {
		t.Errorf("%d of 10 members ever went first", len(first))
	}
}

func TestSPopTakesEachOnce(t *testing.T) {
	_, address := start(t)
	c := dial(t, address)
	c.words("SADD s a b c d e")
	seen := map[string]bool{}
	for _, request := range []string{"SPOP s", "SPOP s 2", "SPOP s 5"} {
		c.send(encode(strings.Fields(request)...))
		r := c.reply()
		for _, member := range append(r.list, r) {
			if member.kind == '$' {
				seen[member.text] = true
			}
		}
	}
	if len(seen) != 5 || c.words("EXISTS s") != ":0" {
		t.Errorf("got %v", seen)
	}
}

// TestAppendKeepsTheLimit does not let a string outgrow what a client may send.
func TestAppendKeepsTheLimit(t *testing.T) {
	s, address := start(t)
	c := dial(t, address)
	c.words("SET k v")
	s.store.Lock()
	// A slice that claims the largest size without its memory being touched.
	*s.store.DBs[0].Find([]byte("k")).Value.(*store.String) = make([]byte, 512<<20)
	s.store.Unlock()
	if got := c.words("APPEND k x"); got != "-ERR string exceeds maximum allowed size "+
		"(proto-max-bulk-len)" {
		t.Errorf("got %s", got)
	}
	if got := c.words("STRLEN k"); got != ":536870912" {
		t.Errorf("got %s", got)
	}
}

// TestValuesReuseMemory checks that a short value does not keep the memory of
// a long one, and that one of equal size takes no new memory.
func TestValuesReuseMemory(t *testing.T) {
	s, address := start(t)
	c := dial(t, address)
	str := func() []byte {
		s.store.Lock()
		defer s.store.Unlock()
		return *s.store.DBs[0].Find([]byte("k")).Value.(*store.String)
	}
	c.do("SET", "k", strings.Repeat("x", 10000))
	before := &str()[0]
	c.do("SET", "k", strings.Repeat("y", 9999))
	if &str()[0] != before {
		t.Error("a value of nearly the same size has new memory")
	}
	c.do("SET", "k", "short")
	if n := cap(str()); n > 100 {
		t.Errorf("a short value keeps %d bytes", n)
	}
}
