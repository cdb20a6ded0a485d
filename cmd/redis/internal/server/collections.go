package server

import (
	"math/rand/v2"

	"github.com/ocikit/ocikit/cmd/redis/internal/resp"
	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

func push(add func(*store.List, string)) func(*conn, [][]byte) any {
	return func(c *conn, args [][]byte) any {
		list := findOrAdd[store.List](c, args[1])
		for _, element := range args[2:] {
			add(list, string(element))
		}
		return list.Len()
	}
}

func pop(take func(*store.List) string) func(*conn, [][]byte) any {
	return func(c *conn, args [][]byte) any {
		n, many := optionalCount(args, errArity(c.last))
		item, list := find[store.List](c, args[1])
		popped := takeUpTo(c, item, n, list, take)
		switch {
		case !many:
			return one(popped)
		case item == nil:
			return resp.NullArray{}
		}
		return popped
	}
}

// optionalCount parses the number of elements that may follow a key; if it
// does not, the count is 1.
func optionalCount(args [][]byte, tooMany resp.Error) (n int, given bool) {
	switch len(args) {
	case 2:
		return 1, false
	case 3:
		n, ok := resp.ParseInt(args[2])
		if !ok || n < 0 {
			panic(errNegative)
		}
		return n, true
	}
	panic(tooMany)
}

// takeUpTo takes up to n elements out of a value, and removes its key if that
// was all.
func takeUpTo[P store.Collection, T any](c *conn, item *store.Item, n int, value P, take func(P) T) []T {
	taken := make([]T, min(n, value.Len()))
	for i := range taken {
		taken[i] = take(value)
	}
	c.db.Removed(item, len(taken))
	return taken
}

// one is the reply of what is one element or none.
func one[T any](list []T) any {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

func lrange(c *conn, args [][]byte) any {
	first, last := integer(args[2]), integer(args[3])
	_, list := find[store.List](c, args[1])
	start, stop := rangeOf(first, last, list.Len())
	elements := make([]string, stop-start)
	for i := range elements {
		elements[i] = list.At(start + i)
	}
	return elements
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
	if last = min(last, n-1); first > last {
		return 0, 0
	}
	return first, last + 1
}

func sadd(c *conn, args [][]byte) any {
	set, added := findOrAdd[store.Set](c, args[1]), 0
	for _, member := range args[2:] {
		if set.Put(member, struct{}{}) {
			added++
		}
	}
	return added
}

// remove is SREM and HDEL.
func remove[V any](c *conn, args [][]byte) any {
	item, table := find[store.Table[V]](c, args[1])
	removed := 0
	for _, key := range args[2:] {
		if table.Delete(key) {
			removed++
		}
	}
	c.db.Removed(item, removed)
	return removed
}

func sismember(c *conn, args [][]byte) any {
	_, set := find[store.Set](c, args[1])
	return set.Find(args[2]) != nil
}

func smembers(c *conn, args [][]byte) any {
	_, set := find[store.Set](c, args[1])
	members := make(resp.Set, set.Len())
	for i := range members {
		members[i] = set.At(i).Key
	}
	return members
}

func spop(c *conn, args [][]byte) any {
	n, many := optionalCount(args, errSyntax)
	item, set := find[store.Set](c, args[1])
	popped := takeUpTo(c, item, n, set, func(set *store.Set) any {
		row := set.At(rand.IntN(set.Len()))
		set.Remove(row)
		return row.Key
	})
	if !many {
		return one(popped)
	}
	return resp.Set(popped)
}

func hset(c *conn, args [][]byte) any {
	if len(args)%2 != 0 {
		return errArity(c.last)
	}
	hash, added := findOrAdd[store.Hash](c, args[1]), 0
	for i := 2; i < len(args); i += 2 {
		if hash.Put(args[i], string(args[i+1])) {
			added++
		}
	}
	return added
}

func hget(c *conn, args [][]byte) any {
	_, hash := find[store.Hash](c, args[1])
	if row := hash.Find(args[2]); row != nil {
		return row.Value
	}
	return nil
}

func hgetall(c *conn, args [][]byte) any {
	_, hash := find[store.Hash](c, args[1])
	pairs := resp.Map{}
	for i := range hash.Len() {
		pairs = append(pairs, hash.At(i).Key, hash.At(i).Value)
	}
	return pairs
}
