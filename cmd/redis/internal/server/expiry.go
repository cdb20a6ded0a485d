package server

// expireIf are the conditions NX, XX, GT and LT of the EXPIRE commands.
type expireIf struct{ nx, xx, gt, lt bool }

func parseExpireIf(args [][]byte) (o expireIf, err error) {
	for _, arg := range args {
		switch {
		case is(arg, "NX"):
			o.nx = true
		case is(arg, "XX"):
			o.xx = true
		case is(arg, "GT"):
			o.gt = true
		case is(arg, "LT"):
			o.lt = true
		default:
			return o, replyError("ERR Unsupported option " + string(arg))
		}
	}
	if o.nx && (o.xx || o.gt || o.lt) {
		return o, replyError("ERR NX and XX, GT or LT options at the same time are not compatible")
	}
	if o.gt && o.lt {
		return o, replyError("ERR GT and LT options at the same time are not compatible")
	}
	return o, nil
}

// allow reports whether the deadline may change from old, 0 for none, to at.
// A key without a deadline counts as one that lives for ever.
func (o expireIf) allow(old, at int64) bool {
	switch {
	case o.nx && old != 0, o.xx && old == 0:
		return false
	case o.gt && (old == 0 || at <= old):
		return false
	case o.lt && old != 0 && at >= old:
		return false
	}
	return true
}

func expire(command, unit string) func(*conn, [][]byte) error {
	return func(c *conn, args [][]byte) error {
		condition, err := parseExpireIf(args[3:])
		if err != nil {
			return err
		}
		n, err := parseInt(args[2])
		if err != nil {
			return err
		}
		at, ok := c.toDeadline(unit, n)
		if !ok {
			return errExpireTime(command)
		}
		item := c.db.Find(args[1])
		if item == nil || !condition.allow(item.Deadline(), at) {
			c.Int(0)
			return nil
		}
		if at <= c.db.Now() {
			c.db.Remove(args[1])
		} else {
			c.db.SetDeadline(item, at)
		}
		c.Int(1)
		return nil
	}
}

// ttl replies when a key dies: counted from now or from 1970, in units of
// so many milliseconds; -1 for never and -2 for no such key.
func ttl(fromNow bool, unit int64) func(*conn, [][]byte) error {
	return func(c *conn, args [][]byte) error {
		item := c.db.Find(args[1])
		if item == nil || item.Deadline() == 0 {
			c.Int(count(item != nil) - 2)
			return nil
		}
		ms := item.Deadline()
		if fromNow {
			ms = max(0, ms-c.db.Now())
		}
		c.Int(ms/unit + count(2*(ms%unit) >= unit)) // rounded
		return nil
	}
}

func cmdPersist(c *conn, args [][]byte) error {
	item := c.db.Find(args[1])
	if item == nil || item.Deadline() == 0 {
		c.Int(0)
		return nil
	}
	c.db.SetDeadline(item, 0)
	c.Int(1)
	return nil
}
