package store

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// blockSize is the most members in one block of a ZSet: small enough that
// moving half of one costs little, large enough that there are few blocks.
const blockSize = 256

// ZSet is a set whose members are ordered by score, and by their bytes where
// scores are equal. The zero value is an empty set.
//
// The order is kept in a list of sorted blocks. A binary search finds the
// block and the place in it, so a change costs the search and moving at most
// blockSize members; finding a rank is a walk over the blocks' lengths.
type ZSet struct {
	scores Table[float64]
	blocks [][]Scored // sorted; no block is empty
}

// Scored is a member of a ZSet with its score. The score is never NaN.
type Scored struct {
	Score  float64
	Member string
}

func (a Scored) compare(b Scored) int {
	return cmp.Or(cmp.Compare(a.Score, b.Score), strings.Compare(a.Member, b.Member))
}

// Len returns the number of members.
func (z *ZSet) Len() int { return z.scores.Len() }

// Score returns the score of member, and whether there is one.
func (z *ZSet) Score(member []byte) (float64, bool) {
	if row := z.scores.Find(member); row != nil {
		return row.Value, true
	}
	return 0, false
}

// Put sets the score of member, and reports whether it is new.
func (z *ZSet) Put(member []byte, score float64) bool {
	row := z.scores.Find(member)
	isNew := row == nil
	switch {
	case isNew:
		row = z.scores.add(string(member))
	case row.Value == score:
		return false
	default:
		z.remove(Scored{row.Value, row.Key})
	}
	row.Value = score
	z.insert(Scored{score, row.Key})
	return isNew
}

// PopMin removes and returns the first member of a set that is not empty.
func (z *ZSet) PopMin() Scored {
	first := z.blocks[0][0]
	z.remove(first)
	z.scores.Remove(z.scores.index[first.Member])
	return first
}

// Range returns the members of ranks start to stop, the latter not included,
// in order. Precondition: 0 <= start <= stop <= Len.
func (z *ZSet) Range(start, stop int) []Scored {
	members := make([]Scored, 0, stop-start)
	for _, block := range z.blocks {
		if start < len(block) && stop > 0 {
			members = append(members, block[max(start, 0):min(stop, len(block))]...)
		}
		start, stop = start-len(block), stop-len(block)
	}
	return members
}

// search returns the block where s is or belongs, and the place in it.
func (z *ZSet) search(s Scored) (block, i int) {
	block = sort.Search(len(z.blocks)-1, func(i int) bool { return z.blocks[i][len(z.blocks[i])-1].compare(s) >= 0 })
	i, _ = slices.BinarySearchFunc(z.blocks[block], s, Scored.compare)
	return block, i
}

func (z *ZSet) insert(s Scored) {
	if len(z.blocks) == 0 {
		z.blocks = [][]Scored{nil}
	}
	b, i := z.search(s)
	z.blocks[b] = slices.Insert(z.blocks[b], i, s)
	if n := len(z.blocks[b]); n > blockSize {
		upper := slices.Clone(z.blocks[b][n/2:])
		z.blocks[b] = slices.Delete(z.blocks[b], n/2, n)
		z.blocks = slices.Insert(z.blocks, b+1, upper)
	}
}

func (z *ZSet) remove(s Scored) {
	b, i := z.search(s)
	z.blocks[b] = slices.Delete(z.blocks[b], i, i+1)
	if len(z.blocks[b]) == 0 {
		z.blocks = slices.Delete(z.blocks, b, b+1)
		return
	}
	z.merge(b)
	if b > 0 {
		z.merge(b - 1)
	}
}

// merge joins block b with the one after it if both are small.
func (z *ZSet) merge(b int) {
	if b+1 < len(z.blocks) && len(z.blocks[b])+len(z.blocks[b+1]) <= blockSize/2 {
		z.blocks[b] = append(z.blocks[b], z.blocks[b+1]...)
		z.blocks = slices.Delete(z.blocks, b+1, b+2)
	}
}
