package server

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/ocikit/ocikit/cmd/redis/internal/resp"
	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

// The commands of lists, sets, hashes and sorted sets.
var collectionCommands = []command{
	{"llen", 2, "readonly fast", 1, 1, 1, length[store.List]},
	{"lpop", -2, "write fast", 1, 1, 1, pop((*store.List).PopFront)},
	{"lpush", -3, "write denyoom fast", 1, 1, 1, push((*store.List).PushFront)},
	{"lrange", 4, "readonly", 1, 1, 1, func(c *conn, args [][]byte) any {
		reply := []any{}
		first, last := integer(args[2]), integer(args[3])
		list := peek[store.List](c, args[1])
		start, stop := rangeOf(first, last, list.Len())
		for i := start; i < stop; i++ {
			reply = append(reply, list.At(i))
		}
		return reply
	}},
	{"rpop", -2, "write fast", 1, 1, 1, pop((*store.List).PopBack)},
	{"rpush", -3, "write denyoom fast", 1, 1, 1, push((*store.List).PushBack)},

	{"sadd", -3, "write denyoom fast", 1, 1, 1, func(c *conn, args [][]byte) any {
		set := findOrAdd[store.Set](c, args[1])
		return count(args[2:], func(member []byte) bool { return set.Put(member, struct{}{}) })
	}},
	{"scard", 2, "readonly fast", 1, 1, 1, length[store.Set]},
	{"sismember", 3, "readonly fast", 1, 1, 1, func(c *conn, args [][]byte) any {
		return count(args[2:], peek[store.Set](c, args[1]).Has)
	}},
	{"smembers", 2, "readonly", 1, 1, 1, func(c *conn, args [][]byte) any {
		reply := resp.Set{}
		for _, member := range peek[store.Set](c, args[1]).Keys() {
			reply = append(reply, member)
		}
		return reply
	}},
	{"spop", -2, "write fast", 1, 1, 1, func(c *conn, args [][]byte) any {
		taken := take(c, args, func(set *store.Set) any {
			member, _, _ := set.DeleteAt(rand.IntN(set.Len()))
			return member
		})
		if len(args) == 2 {
			return one(taken)
		}
		return resp.Set(taken)
	}},
	{"srem", -3, "write fast", 1, 1, 1, remove[store.Set]},

	{"hdel", -3, "write fast", 1, 1, 1, remove[store.Hash]},
	{"hget", 3, "readonly fast", 1, 1, 1, func(c *conn, args [][]byte) any {
		return peek[store.Hash](c, args[1]).Find(args[2])
	}},
	{"hgetall", 2, "readonly", 1, 1, 1, func(c *conn, args [][]byte) any {
		reply := resp.Map{}
		peek[store.Hash](c, args[1]).Scan(func(field, value string) bool {
			reply = append(reply, field, value)
			return true
		})
		return reply
	}},
	{"hlen", 2, "readonly fast", 1, 1, 1, length[store.Hash]},
	{"hset", -4, "write denyoom fast", 1, 1, 1, func(c *conn, args [][]byte) any {
		refuse(len(args)%2 != 0, errArity, c.last.name)
		hash := findOrAdd[store.Hash](c, args[1])
		pairs := slices.Collect(slices.Chunk(args[2:], 2))
		return count(pairs, func(pair [][]byte) bool { return hash.Put(pair[0], string(pair[1])) })
	}},

	{"zadd", -4, "write denyoom fast", 1, 1, 1, func(c *conn, args [][]byte) any {
		refuse(len(args)%2 != 0, errSyntax)
		pairs := slices.Collect(slices.Chunk(args[2:], 2))
		for _, pair := range pairs {
			score(pair[0]) // refuses before anything changes
		}
		zset := findOrAdd[store.ZSet](c, args[1])
		return count(pairs, func(pair [][]byte) bool { return zset.Put(pair[1], score(pair[0])) })
	}},
	{"zcard", 2, "readonly fast", 1, 1, 1, length[store.ZSet]},
	{"zpopmin", -2, "write fast", 1, 1, 1, func(c *conn, args [][]byte) any {
		reply := []any{}
		for _, member := range take(c, args, (*store.ZSet).PopMin) {
			reply = appendScored(reply, member, len(args) == 3 && c.proto == 3)
		}
		return reply
	}},
	{"zrange", -4, "readonly", 1, 1, 1, func(c *conn, args [][]byte) any {
		reply, o := []any{}, parseOptions(args[4:], errSyntax, "REV", "WITHSCORES")
		first, last := integer(args[2]), integer(args[3])
		zset := peek[store.ZSet](c, args[1])
		start, stop := rangeOf(first, last, zset.Len())
		for rank := start; rank < stop; rank++ {
			member := zset.At(rank)
			if o.has("REV") {
				member = zset.At(zset.Len() - 1 - rank)
			}
			if o.has("WITHSCORES") {
				reply = appendScored(reply, member, c.proto == 3)
			} else {
				reply = append(reply, member.Member)
			}
		}
		return reply
	}},
	{"zscore", 3, "readonly fast", 1, 1, 1, func(c *conn, args [][]byte) any {
		return peek[store.ZSet](c, args[1]).Find(args[2])
	}},
}

// take removes up to as many elements from a value as the argument after the
// key says, or one if there is none. It returns nil if there is no such key.
func take[T any, P value[T], E any](c *conn, args [][]byte, next func(P) E) (taken []E) {
	n, isInt := 1, true
	if len(args) > 2 {
		n, isInt = resp.ParseInt(args[2])
	}
	refuse(len(args) > 3, errSyntax)
	refuse(!isInt || n < 0, "ERR value is out of range, must be positive")
	item, value := find[T, P](c, args[1])
	if item != nil {
		taken = make([]E, min(n, value.Len()))
	}
	for i := range taken {
		taken[i] = next(value)
	}
	c.db.Shrunk(item, len(taken))
	return taken
}

// one is the reply of what is one element or none.
func one(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// remove is SREM and HDEL.
func remove[T any, P interface {
	value[T]
	Remove(key []byte) bool
}](c *conn, args [][]byte) any {
	item, value := find[T, P](c, args[1])
	removed := count(args[2:], value.Remove)
	c.db.Shrunk(item, removed)
	return removed
}

func push(put func(*store.List, string)) handler {
	return func(c *conn, args [][]byte) any {
		list := findOrAdd[store.List](c, args[1])
		for _, element := range args[2:] {
			put(list, string(element))
		}
		return list.Len()
	}
}

func pop(next func(*store.List) string) handler {
	return func(c *conn, args [][]byte) any {
		refuse(len(args) > 3, errArity, c.last.name)
		taken := take(c, args, func(list *store.List) any { return next(list) })
		if len(args) == 2 {
			return one(taken)
		}
		return taken
	}
}

// rangeOf turns the indexes of LRANGE and ZRANGE, negative ones counting from
// the end, into the half-open range of n elements that they mean.
func rangeOf(first, last, n int) (start, stop int) {
	if first < 0 {
		first = max(0, first+n)
	}
	if last < 0 {
		last += n
	}
	return first, min(last, n-1) + 1
}

// score parses a decimal, hexadecimal or infinite number.
func score(arg []byte) float64 {
	f, err := strconv.ParseFloat(string(arg), 64)
	refuse(err != nil || math.IsNaN(f) || bytes.IndexByte(arg, '_') >= 0,
		"ERR value is not a valid float")
	return f + 0 // not -0, which Redis prints in large sets only
}

// appendScored appends a member and its score: in turn, or as a pair as RESP3
// mostly has it.
func appendScored(reply []any, member store.Scored, pair bool) []any {
	if pair {
		return append(reply, []any{member.Member, member.Score})
	}
	return append(reply, member.Member, member.Score)
}
