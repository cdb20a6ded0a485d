package server

import "github.com/ocikit/ocikit/cmd/redis/internal/store"

func push(add func(*store.List, string)) func(*conn, [][]byte) error {
	return func(c *conn, args [][]byte) error {
		list, err := findOrAdd[store.List](c, args[1])
		if err != nil {
			return err
		}
		for _, element := range args[2:] {
			add(list, string(element))
		}
		c.Int(int64(list.Len()))
		return nil
	}
}

func pop(command string, take func(*store.List) string) func(*conn, [][]byte) error {
	return func(c *conn, args [][]byte) error {
		if len(args) > 3 {
			return errArity(command)
		}
		limit := -1
		if len(args) == 3 {
			n, err := parseCount(args[2])
			if err != nil {
				return err
			}
			limit = n
		}
		item, list, err := find[store.List](c, args[1])
		switch {
		case err != nil:
			return err
		case item == nil && limit < 0:
			c.Null()
		case item == nil:
			c.NullArray()
		case limit < 0:
			c.BulkString(take(list))
			c.db.Removed(item, 1)
		default:
			n := min(limit, list.Len())
			c.Array(n)
			for range n {
				c.BulkString(take(list))
			}
			c.db.Removed(item, n)
		}
		return nil
	}
}

func cmdLRange(c *conn, args [][]byte) error {
	first, err := parseInt(args[2])
	if err != nil {
		return err
	}
	last, err := parseInt(args[3])
	if err != nil {
		return err
	}
	_, list, err := find[store.List](c, args[1])
	if err != nil {
		return err
	}
	start, stop := rangeOf(first, last, list.Len())
	c.Array(stop - start)
	for i := start; i < stop; i++ {
		c.BulkString(list.At(i))
	}
	return nil
}
