package store

import (
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
// blockSize members; finding a rank adds a walk over the blocks' lengths.
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
	switch {
	case a.Score < b.Score:
		return -1
	case a.Score > b.Score:
		return 1
	}
	return strings.Compare(a.Member, b.Member)
}

// Len returns the number of members.
func (z *ZSet) Len() int { return z.scores.Len() }

// Score returns the score of member, and whether there is one.
func (z *ZSet) Score(member []byte) (float64, bool) {
	row := z.scores.Find(member)
	if row == nil {
		return 0, false
	}
	return row.Value, true
}

// Put sets the score of member, adding it if it is new.
func (z *ZSet) Put(member []byte, score float64) {
	row := z.scores.Find(member)
	if row == nil {
		row = z.scores.Add(string(member))
		row.Value = score
		z.insert(Scored{score, row.Key})
		return
	}
	if row.Value == score {
		return
	}
	z.remove(Scored{row.Value, row.Key})
	row.Value = score
	z.insert(Scored{score, row.Key})
}

// PopMin removes and returns the first member of a set that is not empty.
func (z *ZSet) PopMin() Scored {
	first := z.blocks[0][0]
	z.remove(first)
	z.scores.Remove(z.scores.index[first.Member])
	return first
}

// Rank returns the number of members before the first one for which from
// holds. Precondition: from holds for all members after that one.
func (z *ZSet) Rank(from func(Scored) bool) int {
	b := sort.Search(len(z.blocks), func(i int) bool { return from(z.blocks[i][len(z.blocks[i])-1]) })
	rank := 0
	for _, block := range z.blocks[:b] {
		rank += len(block)
	}
	if b == len(z.blocks) {
		return rank
	}
	return rank + sort.Search(len(z.blocks[b]), func(i int) bool { return from(z.blocks[b][i]) })
}

// Range calls visit for the members of ranks start to stop, the latter not
// included, in order or, if reverse is set, from the last to the first.
// Precondition: 0 <= start <= stop <= Len.
func (z *ZSet) Range(start, stop int, order Order, visit func(Scored)) {
	at := start
	step := 1
	if order == Descending {
		at, step = stop-1, -1
	}
	b, i := z.locate(at)
	for n := stop - start; n > 0; n-- {
		visit(z.blocks[b][i])
		i += step
		if i == len(z.blocks[b]) {
			b, i = b+1, 0
		}
		if i < 0 && b > 0 {
			b--
			i = len(z.blocks[b]) - 1
		}
	}
}

// Order is the direction of a walk.
type Order int

// The two directions.
const (
	Ascending Order = iota
	Descending
)

// locate returns the block and the place in it of a rank.
func (z *ZSet) locate(rank int) (block, i int) {
	for block < len(z.blocks) && rank >= len(z.blocks[block]) {
		rank -= len(z.blocks[block])
		block++
	}
	return block, rank
}

// search returns the block where s is or belongs, and the place in it.
func (z *ZSet) search(s Scored) (block, i int) {
	block = sort.Search(len(z.blocks), func(i int) bool { return z.blocks[i][len(z.blocks[i])-1].compare(s) >= 0 })
	if block == len(z.blocks) {
		block = len(z.blocks) - 1
	}
	i, _ = slices.BinarySearchFunc(z.blocks[block], s, Scored.compare)
	return block, i
}

func (z *ZSet) insert(s Scored) {
	if len(z.blocks) == 0 {
		z.blocks = append(z.blocks, []Scored{s})
		return
	}
	b, i := z.search(s)
	z.blocks[b] = slices.Insert(z.blocks[b], i, s)
	if len(z.blocks[b]) <= blockSize {
		return
	}
	half := len(z.blocks[b]) / 2
	upper := slices.Clone(z.blocks[b][half:])
	clear(z.blocks[b][half:])
	z.blocks[b] = z.blocks[b][:half]
	z.blocks = slices.Insert(z.blocks, b+1, upper)
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
