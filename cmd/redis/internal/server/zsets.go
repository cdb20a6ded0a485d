package server

import (
	"bytes"
	"math"
	"slices"
	"strconv"

	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

func zadd(c *conn, args [][]byte) any {
	pairs := args[2:]
	if len(pairs)%2 != 0 {
		return errSyntax
	}
	scores := make([]float64, len(pairs)/2)
	for i := range scores {
		scores[i] = float(pairs[2*i])
	}
	zset, added := findOrAdd[store.ZSet](c, args[1]), 0
	for i, score := range scores {
		if zset.Put(pairs[2*i+1], score) {
			added++
		}
	}
	return added
}

// float parses a score: decimal, hexadecimal or infinite.
func float(arg []byte) float64 {
	f, err := strconv.ParseFloat(string(arg), 64)
	switch {
	case err != nil || math.IsNaN(f) || bytes.IndexByte(arg, '_') >= 0:
		panic(errNotFloat)
	case f == 0:
		return 0 // not -0, which Redis prints in large sets only
	}
	return f
}

func zscore(c *conn, args [][]byte) any {
	_, zset := find[store.ZSet](c, args[1])
	if score, ok := zset.Score(args[2]); ok {
		return score
	}
	return nil
}

func zpopmin(c *conn, args [][]byte) any {
	n, many := optionalCount(args, errSyntax)
	item, zset := find[store.ZSet](c, args[1])
	popped := takeUpTo(c, item, n, zset, (*store.ZSet).PopMin)
	return scored(popped, many && c.proto == 3)
}

func zrange(c *conn, args [][]byte) any {
	o, rest := parseOptions(args[4:], "REV", "WITHSCORES")
	if len(rest) > 0 {
		return errSyntax
	}
	first, last := integer(args[2]), integer(args[3])
	_, zset := find[store.ZSet](c, args[1])
	start, stop := rangeOf(first, last, zset.Len())
	if o.has("REV") {
		start, stop = zset.Len()-stop, zset.Len()-start
	}
	members := zset.Range(start, stop)
	if o.has("REV") {
		slices.Reverse(members)
	}
	if o.has("WITHSCORES") {
		return scored(members, c.proto == 3)
	}
	names := make([]string, len(members))
	for i, s := range members {
		names[i] = s.Member
	}
	return names
}

// scored replies members with their scores: one array of both, or an array of
// pairs as RESP3 has it.
func scored(members []store.Scored, pairs bool) any {
	reply := []any{}
	for _, s := range members {
		if pairs {
			reply = append(reply, []any{s.Member, s.Score})
		} else {
			reply = append(reply, s.Member, s.Score)
		}
	}
	return reply
}
