package server

import (
	"math/rand/v2"

	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

func cmdSAdd(c *conn, args [][]byte) error {
	set, err := findOrAdd[store.Set](c, args[1])
	if err != nil {
		return err
	}
	var added int64
	for _, member := range args[2:] {
		added += count(set.Put(member, struct{}{}))
	}
	c.Int(added)
	return nil
}

func cmdSRem(c *conn, args [][]byte) error {
	item, set, err := find[store.Set](c, args[1])
	if err != nil {
		return err
	}
	removed := 0
	for _, member := range args[2:] {
		removed += int(count(set.Delete(member)))
	}
	c.db.Removed(item, removed)
	c.Int(int64(removed))
	return nil
}

func cmdSIsMember(c *conn, args [][]byte) error {
	_, set, err := find[store.Set](c, args[1])
	if err != nil {
		return err
	}
	c.Int(count(set.Find(args[2]) != nil))
	return nil
}

func cmdSMembers(c *conn, args [][]byte) error {
	_, set, err := find[store.Set](c, args[1])
	if err != nil {
		return err
	}
	c.Set(set.Len())
	for i := range set.Len() {
		c.BulkString(set.At(i).Key)
	}
	return nil
}

func cmdSPop(c *conn, args [][]byte) error {
	limit := -1
	switch len(args) {
	case 2:
	case 3:
		n, err := parseCount(args[2])
		if err != nil {
			return err
		}
		limit = n
	default:
		return errSyntax
	}
	item, set, err := find[store.Set](c, args[1])
	switch {
	case err != nil:
		return err
	case item == nil && limit < 0:
		c.Null()
	case limit < 0:
		c.popRandom(set)
		c.db.Removed(item, 1)
	default:
		n := min(limit, set.Len())
		c.Set(n)
		for range n {
			c.popRandom(set)
		}
		c.db.Removed(item, n)
	}
	return nil
}

func (c *conn) popRandom(set *store.Set) {
	member := []byte(set.At(rand.IntN(set.Len())).Key)
	c.Bulk(member)
	set.Delete(member)
}
