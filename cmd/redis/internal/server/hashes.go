package server

import "github.com/ocikit/ocikit/cmd/redis/internal/store"

func cmdHSet(c *conn, args [][]byte) error {
	if len(args)%2 != 0 {
		return errArity("hset")
	}
	hash, err := findOrAdd[store.Hash](c, args[1])
	if err != nil {
		return err
	}
	var added int64
	for i := 2; i < len(args); i += 2 {
		added += count(hash.Put(args[i], string(args[i+1])))
	}
	c.Int(added)
	return nil
}

func cmdHGet(c *conn, args [][]byte) error {
	_, hash, err := find[store.Hash](c, args[1])
	if err != nil {
		return err
	}
	if row := hash.Find(args[2]); row != nil {
		c.BulkString(row.Value)
	} else {
		c.Null()
	}
	return nil
}

func cmdHGetAll(c *conn, args [][]byte) error {
	_, hash, err := find[store.Hash](c, args[1])
	if err != nil {
		return err
	}
	c.Map(hash.Len())
	for i := range hash.Len() {
		row := hash.At(i)
		c.BulkString(row.Key)
		c.BulkString(row.Value)
	}
	return nil
}

func cmdHDel(c *conn, args [][]byte) error {
	item, hash, err := find[store.Hash](c, args[1])
	if err != nil {
		return err
	}
	removed := 0
	for _, field := range args[2:] {
		removed += int(count(hash.Delete(field)))
	}
	c.db.Removed(item, removed)
	c.Int(int64(removed))
	return nil
}
