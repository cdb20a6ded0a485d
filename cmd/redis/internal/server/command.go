package server

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ocikit/ocikit/cmd/redis/internal/resp"
	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

// command is a row of the command table, which is in one part for each family
// of commands.
type command struct {
	name              string  // of a subcommand: with that of its parent, as in client|id
	arity             int     // number of arguments with the name; -n for at least n
	flags             string  // as COMMAND tells them
	first, last, step int     // which arguments are keys, as COMMAND tells it
	run               handler // nil if there are subcommands; NAME| is what it does without one
}

// handler runs a command and returns its reply, see [resp.Append], or refuses.
type handler = func(c *conn, args [][]byte) any

// commandTable returns all commands by name, in small letters and in capitals.
func commandTable() map[string]*command {
	table := map[string]*command{}
	for _, row := range slices.Concat(serverCommands, keyCommands, stringCommands,
		collectionCommands) {
		table[row.name], table[strings.ToUpper(row.name)] = &row, &row
	}
	return table
}

// find returns the command of a name in any case, or nil. It does not allocate
// for names in capitals or small letters, which nearly all clients send.
func (s *Server) find(name string) *command {
	cmd := s.commands[name]
	if cmd == nil {
		cmd = s.commands[lower(name)]
	}
	if cmd == nil || strings.Contains(cmd.name, "|") {
		return nil
	}
	return cmd
}

// lower is for names only: it cuts off what is longer than any name.
func lower(name string) string { return strings.ToLower(name[:min(len(name), 32)]) }

func (cmd *command) checkArity(args [][]byte) {
	if n := len(args); n != cmd.arity && (cmd.arity >= 0 || n < -cmd.arity) {
		refuse(true, errArity, cmd.name)
	}
}

// Replies: the texts are Redis's, as clients compare them.
const (
	ok           = resp.Status("OK")
	errArity     = "ERR wrong number of arguments for '%s' command"
	errSyntax    = "ERR syntax error"
	errWrongType = "WRONGTYPE Operation against a key holding the wrong kind of value"
)

// refuse ends a command with an error reply if the condition is true. Nothing
// may have changed yet.
func refuse(when bool, format string, args ...any) {
	if when {
		panic(resp.Error(fmt.Sprintf(format, args...)))
	}
}

// run runs one request and returns its reply.
func (c *conn) run(args [][]byte) (reply any) {
	defer func() {
		if failure := recover(); failure != nil {
			reply = failure.(resp.Error) // panics again with what is none
		}
	}()
	c.server.processed++
	cmd := c.server.find(string(args[0]))
	if cmd == nil {
		var rest []byte // the beginning of the arguments
		for _, arg := range args[1:] {
			if len(rest) < 128 {
				rest = fmt.Appendf(rest, "'%s' ", arg[:min(len(arg), 128-len(rest))])
			}
		}
		refuse(true, "ERR unknown command '%.128s', with args beginning with: %s", args[0], rest)
	}
	c.last = cmd
	cmd.checkArity(args)
	if cmd.run == nil {
		name := string(bytes.Join(args[1:min(2, len(args))], nil)) // may be empty
		cmd = c.server.commands[cmd.name+"|"+lower(name)]
		refuse(cmd == nil, "ERR unknown subcommand '%.128s'. Try %s HELP.", name,
			strings.ToUpper(c.last.name))
		cmd.checkArity(args)
	}
	return cmd.run(c, args)
}

// options are the words after a command's fixed arguments that change what it
// does, each with the values after it.
type options map[string][][]byte

// parseOptions parses the words that a command knows. A colon behind a word in
// known stands for a value that follows it. Anything else is refused with the
// error text unknown, where %s is that.
func parseOptions(args [][]byte, unknown string, known ...string) (o options) {
	for len(args) > 0 {
		i := slices.IndexFunc(known, func(word string) bool {
			return is(args[0], strings.TrimRight(word, ":")) && len(args) > strings.Count(word, ":")
		})
		refuse(i < 0, "%s", strings.ReplaceAll(unknown, "%s", string(args[0])))
		if o == nil {
			o = options{}
		}
		name, values := strings.TrimRight(known[i], ":"), strings.Count(known[i], ":")
		o[name], args = args[1:1+values], args[1+values:]
	}
	return o
}

// has reports whether the option is there.
func (o options) has(name string) bool { return o[name] != nil }

// several reports whether more than one of the options is there.
func (o options) several(names ...string) bool { return count(names, o.has) > 1 }

// deadline is the time, in milliseconds since 1970, that the option EX, PX,
// EXAT or PXAT means with a number; 0 if there is none of them.
func (o options) deadline(c *conn) int {
	for _, unit := range []string{"EX", "PX", "EXAT", "PXAT"} {
		if o.has(unit) {
			return deadline(c, unit, o[unit][0], 1)
		}
	}
	return 0
}

// deadline is that of a unit with a number, which is at least least.
func deadline(c *conn, unit string, arg []byte, least int) int {
	n, factor, start := integer(arg), 1, 0
	if unit == "EX" || unit == "EXAT" {
		factor = 1000
	}
	if unit == "EX" || unit == "PX" {
		start = c.db.Now()
	}
	refuse(n < least || n > math.MaxInt/factor || n < math.MinInt/factor ||
		n*factor > math.MaxInt-start, "ERR invalid expire time in '%s' command", c.last.name)
	return n*factor + start
}

// is reports whether an argument is the word, in any case.
func is(arg []byte, word string) bool {
	return len(arg) == len(word) && strings.EqualFold(string(arg), word)
}

func integer(arg []byte) int {
	n, ok := resp.ParseInt(arg)
	refuse(!ok, "ERR value is not an integer or out of range")
	return n
}

// count returns for how many elements of a list do reports true.
func count[T any](list []T, do func(T) bool) int {
	n := 0
	for _, element := range list {
		if do(element) {
			n++
		}
	}
	return n
}

// value is a pointer to a T that can be a key's value.
type value[T any] interface {
	*T
	store.Value
}

// find returns the item of key and its value of type *T. If there is no such
// key the item is nil, and the value an empty one that belongs to no key.
func find[T any, P value[T]](c *conn, key []byte) (*store.Item, P) {
	item := c.db.Find(key)
	if item == nil {
		return nil, new(T)
	}
	value, ok := item.Value.(P)
	refuse(!ok, errWrongType)
	return item, value
}

// findOrAdd is find, and makes a key with an empty value if there is none.
func findOrAdd[T any, P value[T]](c *conn, key []byte) P {
	item, value := find[T, P](c, key)
	if item == nil {
		c.db.Add(key, value)
	}
	return value
}

// peek is find for commands that change nothing.
func peek[T any, P value[T]](c *conn, key []byte) P {
	_, value := find[T, P](c, key)
	return value
}

// length is LLEN, SCARD and their like.
func length[T any, P value[T]](c *conn, args [][]byte) any {
	return peek[T, P](c, args[1]).Len()
}
