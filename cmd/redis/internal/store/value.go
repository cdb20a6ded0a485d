package store

import (
	"github.com/gammazero/deque"
	"github.com/tidwall/btree"
)

// Value is what a key holds: a pointer to a [String], [List], [Set], [Hash] or
// [ZSet]. Their zero values are empty. A key never holds an empty value, but
// for a string.
type Value interface {
	Type() string // as the command TYPE tells it
	Len() int
}

// The types of values that need no code of their own. The String of a key is
// not nil.
type (
	String []byte
	List   struct{ deque.Deque[string] }
	Set    struct{ Table[struct{}] }
	Hash   struct{ Table[string] }
)

func (*String) Type() string { return "string" }
func (*List) Type() string   { return "list" }
func (*Set) Type() string    { return "set" }
func (*Hash) Type() string   { return "hash" }
func (*ZSet) Type() string   { return "zset" }

// Len returns the number of bytes.
func (s *String) Len() int { return len(*s) }

// Table is a map that can also be picked from at random, and that gives memory
// back when it shrinks: a tree.
type Table[V any] struct{ btree.Map[string, V] }

// Put sets the value of key, and reports whether the key is new.
func (t *Table[V]) Put(key []byte, value V) bool {
	_, replaced := t.Set(string(key), value)
	return !replaced
}

// Has reports whether key is there.
func (t *Table[V]) Has(key []byte) bool { return t.Find(key) != nil }

// Find returns the value of key, or nil.
func (t *Table[V]) Find(key []byte) any {
	if value, found := t.Get(string(key)); found {
		return value
	}
	return nil
}

// Remove removes key, and reports whether it was there.
func (t *Table[V]) Remove(key []byte) bool {
	_, found := t.Delete(string(key))
	return found
}

// ZSet is a set whose members are ordered by score, and by their bytes where
// scores are equal: a table of scores with a tree in that order.
type ZSet struct {
	Table[float64]
	order *btree.BTreeG[Scored] // nil if there never was a member
}

// Scored is a member of a [ZSet] with its score, which is never NaN.
type Scored struct {
	Score  float64
	Member string
}

func less(a, b Scored) bool {
	return a.Score < b.Score || a.Score == b.Score &&
		a.Member < b.Member
}

// Put sets the score of member, and reports whether it is new.
func (z *ZSet) Put(member []byte, score float64) bool {
	if z.order == nil {
		z.order = btree.NewBTreeGOptions(less, btree.Options{NoLocks: true})
	}
	name := string(member)
	old, replaced := z.Set(name, score)
	if replaced {
		z.order.Delete(Scored{old, name})
	}
	z.order.Set(Scored{score, name})
	return !replaced
}

// PopMin removes and returns the first member of a set that is not empty.
func (z *ZSet) PopMin() Scored {
	first, _ := z.order.PopMin()
	z.Delete(first.Member)
	return first
}

// At returns the member of a rank below Len.
func (z *ZSet) At(rank int) Scored {
	member, _ := z.order.GetAt(rank)
	return member
}
