package server

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

// zaddIf are the options of ZADD.
type zaddIf struct{ nx, xx, gt, lt, ch, incr bool }

// parseZAdd splits the arguments after the key into options and pairs.
func parseZAdd(args [][]byte) (o zaddIf, pairs [][]byte, err error) {
	for ; len(args) > 0; args = args[1:] {
		switch arg := args[0]; {
		case is(arg, "NX"):
			o.nx = true
			continue
		case is(arg, "XX"):
			o.xx = true
			continue
		case is(arg, "GT"):
			o.gt = true
			continue
		case is(arg, "LT"):
			o.lt = true
			continue
		case is(arg, "CH"):
			o.ch = true
			continue
		case is(arg, "INCR"):
			o.incr = true
			continue
		}
		break
	}
	switch {
	case len(args) == 0 || len(args)%2 != 0:
		return o, nil, errSyntax
	case o.nx && o.xx:
		return o, nil, replyError("ERR XX and NX options at the same time are not compatible")
	case o.gt && o.nx || o.lt && o.nx || o.gt && o.lt:
		return o, nil, replyError("ERR GT, LT, and/or NX options at the same time are not compatible")
	case o.incr && len(args) > 2:
		return o, nil, replyError("ERR INCR option supports a single increment-element pair")
	}
	return o, args, nil
}

// score returns the score that a member gets which has old, if has is set,
// and whether it is to be stored.
func (o zaddIf) score(old float64, has bool, given float64) (float64, bool) {
	if !has {
		return given, !o.xx
	}
	if o.nx {
		return old, false
	}
	if o.incr {
		given += old
	}
	if o.lt && given >= old || o.gt && given <= old {
		return old, false
	}
	return given, true
}

func cmdZAdd(c *conn, args [][]byte) error {
	o, pairs, err := parseZAdd(args[2:])
	if err != nil {
		return err
	}
	var few [4]float64
	scores := few[:0]
	for i := 0; i < len(pairs); i += 2 {
		score, err := parseFloat(pairs[i])
		if err != nil {
			return err
		}
		scores = append(scores, score)
	}
	item, zset, err := find[store.ZSet](c, args[1])
	if err != nil {
		return err
	}
	if item == nil && !o.xx {
		c.db.Add(args[1]).Obj = zset
	}
	var added, updated int64
	var last float64
	var stored bool
	for i, given := range scores {
		member := pairs[2*i+1]
		old, has := zset.Score(member)
		last, stored = o.score(old, has, given)
		if math.IsNaN(last) {
			return replyError("ERR resulting score is not a number (NaN)")
		}
		if stored {
			zset.Put(member, last)
			added += count(!has)
			updated += count(has && last != old)
		}
	}
	switch {
	case o.incr && stored:
		c.Double(last)
	case o.incr:
		c.Null()
	case o.ch:
		c.Int(added + updated)
	default:
		c.Int(added)
	}
	return nil
}

// parseFloat parses a score: decimal, hexadecimal or infinite.
func parseFloat(arg []byte) (float64, error) {
	f, err := strconv.ParseFloat(string(arg), 64)
	if err != nil || math.IsNaN(f) || bytes.IndexByte(arg, '_') >= 0 {
		return 0, errNotFloat
	}
	if f == 0 {
		return 0, nil // not -0, which Redis prints in large sets only
	}
	return f, nil
}

func cmdZScore(c *conn, args [][]byte) error {
	_, zset, err := find[store.ZSet](c, args[1])
	if err != nil {
		return err
	}
	if score, ok := zset.Score(args[2]); ok {
		c.Double(score)
	} else {
		c.Null()
	}
	return nil
}

func cmdZPopMin(c *conn, args [][]byte) error {
	if len(args) > 3 {
		return errSyntax
	}
	limit := 1
	if len(args) == 3 {
		n, err := parseCount(args[2])
		if err != nil {
			return err
		}
		limit = n
	}
	item, zset, err := find[store.ZSet](c, args[1])
	if err != nil {
		return err
	}
	n := min(limit, zset.Len())
	pairs := len(args) == 3
	c.arrayOfScored(n, pairs)
	for range n {
		c.scored(zset.PopMin(), pairs)
	}
	c.db.Removed(item, n)
	return nil
}

// arrayOfScored announces n members with scores: one array of both, or in
// RESP3 an array of pairs if the command replies with several.
func (c *conn) arrayOfScored(n int, pairs bool) {
	if !pairs || c.Proto == 2 {
		n *= 2
	}
	c.Array(n)
}

func (c *conn) scored(s store.Scored, pairs bool) {
	if pairs && c.Proto == 3 {
		c.Array(2)
	}
	c.BulkString(s.Member)
	c.Double(s.Score)
}

// zrange is a parsed ZRANGE: bounds finds the ranks of a set that it means.
type zrange struct {
	by            string // RANK, SCORE or LEX
	order         store.Order
	scores        bool
	offset, limit int64
	bounds        func(*store.ZSet) (start, stop int)
}

func parseZRange(args [][]byte) (zrange, error) {
	o, err := parseZRangeOptions(args[4:])
	if err != nil {
		return o, err
	}
	low, high := args[2], args[3]
	if o.by != "RANK" && o.order == store.Descending {
		low, high = high, low
	}
	switch o.by {
	case "SCORE":
		o.bounds, err = scoreBounds(low, high)
	case "LEX":
		o.bounds, err = lexBounds(low, high)
	default:
		o.bounds, err = rankBounds(low, high, o.order)
	}
	return o, err
}

func parseZRangeOptions(args [][]byte) (zrange, error) {
	o := zrange{by: "RANK", limit: -1}
	var err error
	for len(args) > 0 {
		switch arg := args[0]; {
		case is(arg, "WITHSCORES"):
			o.scores = true
		case is(arg, "REV") && o.order == store.Ascending:
			o.order = store.Descending
		case is(arg, "BYSCORE") && o.by == "RANK":
			o.by = "SCORE"
		case is(arg, "BYLEX") && o.by == "RANK":
			o.by = "LEX"
		case is(arg, "LIMIT") && len(args) > 2:
			if o.offset, err = parseInt(args[1]); err != nil {
				return o, err
			}
			if o.limit, err = parseInt(args[2]); err != nil {
				return o, err
			}
			args = args[2:]
		default:
			return o, errSyntax
		}
		args = args[1:]
	}
	if o.limit != -1 && o.by == "RANK" {
		return o, replyError("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
	}
	if o.scores && o.by == "LEX" {
		return o, replyError("ERR syntax error, WITHSCORES not supported in combination with BYLEX")
	}
	return o, nil
}

func rankBounds(low, high []byte, order store.Order) (func(*store.ZSet) (int, int), error) {
	first, err := parseInt(low)
	if err != nil {
		return nil, err
	}
	last, err := parseInt(high)
	if err != nil {
		return nil, err
	}
	return func(z *store.ZSet) (int, int) {
		start, stop := rangeOf(first, last, z.Len())
		if order == store.Descending {
			start, stop = z.Len()-stop, z.Len()-start
		}
		return start, stop
	}, nil
}

// scoreBounds parses bounds such as 1.5 and (1.5, the latter not included.
func scoreBounds(low, high []byte) (func(*store.ZSet) (int, int), error) {
	lowOpen, highOpen := bytes.HasPrefix(low, []byte("(")), bytes.HasPrefix(high, []byte("("))
	least, err := parseFloat(low[count(lowOpen):])
	if err != nil {
		return nil, replyError("ERR min or max is not a float")
	}
	most, err := parseFloat(high[count(highOpen):])
	if err != nil {
		return nil, replyError("ERR min or max is not a float")
	}
	return func(z *store.ZSet) (int, int) {
		start := z.Rank(func(s store.Scored) bool { return s.Score > least || s.Score == least && !lowOpen })
		stop := z.Rank(func(s store.Scored) bool { return s.Score > most || s.Score == most && highOpen })
		return start, max(start, stop)
	}, nil
}

// lexBounds parses bounds such as [a and (a, the latter not included, and -
// and + for before and after all members.
func lexBounds(low, high []byte) (func(*store.ZSet) (int, int), error) {
	start, err := lexBound(low, true)
	if err != nil {
		return nil, err
	}
	stop, err := lexBound(high, false)
	if err != nil {
		return nil, err
	}
	return func(z *store.ZSet) (int, int) {
		first, last := z.Rank(start), z.Rank(stop)
		return first, max(first, last)
	}, nil
}

// lexBound returns what holds for the members from the bound on: those in the
// range for its lower bound, those behind the range for its upper one.
func lexBound(bound []byte, lower bool) (func(store.Scored) bool, error) {
	switch {
	case string(bound) == "-":
		return func(store.Scored) bool { return true }, nil
	case string(bound) == "+":
		return func(store.Scored) bool { return false }, nil
	case len(bound) == 0 || bound[0] != '[' && bound[0] != '(':
		return nil, replyError("ERR min or max not valid string range item")
	}
	equal := (bound[0] == '[') == lower
	text := string(bound[1:])
	return func(s store.Scored) bool {
		order := strings.Compare(s.Member, text)
		return order > 0 || order == 0 && equal
	}, nil
}

func cmdZRange(c *conn, args [][]byte) error {
	o, err := parseZRange(args)
	if err != nil {
		return err
	}
	_, zset, err := find[store.ZSet](c, args[1])
	if err != nil {
		return err
	}
	start, stop := o.cut(o.bounds(zset))
	if o.scores {
		c.arrayOfScored(stop-start, true)
	} else {
		c.Array(stop - start)
	}
	zset.Range(start, stop, o.order, func(s store.Scored) {
		if o.scores {
			c.scored(s, true)
		} else {
			c.BulkString(s.Member)
		}
	})
	return nil
}

// cut applies LIMIT to a range of ranks. A negative offset selects nothing,
// a negative limit all.
func (o zrange) cut(start, stop int) (int, int) {
	n := int64(stop - start)
	skip := o.offset
	if skip < 0 || skip > n {
		skip = n
	}
	n -= skip
	if o.limit >= 0 {
		n = min(n, o.limit)
	}
	if o.order == store.Descending {
		return stop - int(skip+n), stop - int(skip)
	}
	return start + int(skip), start + int(skip+n)
}
