package store

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// check compares a set with its members in order.
func check(t *testing.T, z *ZSet, want []Scored) {
	t.Helper()
	if z.Len() != len(want) {
		t.Fatalf("Len() = %d, want %d", z.Len(), len(want))
	}
	if got := z.Range(0, z.Len()); !slices.Equal(got, want) {
		t.Fatalf("got %v\nwant %v", got, want)
	}
	for b, block := range z.blocks {
		if len(block) == 0 || len(block) > blockSize {
			t.Fatalf("block %d of %d has %d members", b, len(z.blocks), len(block))
		}
	}
}

// TestZSet runs random changes on a set and on a map.
func TestZSet(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var z ZSet
	model := map[string]float64{}
	sorted := func() []Scored {
		var list []Scored
		for member, score := range model {
			list = append(list, Scored{score, member})
		}
		slices.SortFunc(list, Scored.compare)
		return list
	}
	for n := range 20000 { // ends while it grows
		if random.IntN(15000) > n%15000 {
			member, score := fmt.Sprint(random.IntN(4000)), float64(random.IntN(100))
			_, has := model[member]
			if z.Put([]byte(member), score) == has {
				t.Fatalf("Put(%s) = %v", member, !has)
			}
			model[member] = score
		} else if len(model) > 0 {
			least := z.PopMin()
			if score, ok := model[least.Member]; !ok || score != least.Score {
				t.Fatalf("PopMin() = %v, want %v", least, score)
			}
			delete(model, least.Member)
		}
		if n%3000 == 0 {
			check(t, &z, sorted())
		}
	}
	want := sorted()
	check(t, &z, want)
	if len(z.blocks) < 3 {
		t.Fatalf("only %d blocks", len(z.blocks))
	}
	for _, s := range want {
		if score, ok := z.Score([]byte(s.Member)); !ok || score != s.Score {
			t.Errorf("Score(%s) = %v, %v, want %v", s.Member, score, ok, s.Score)
		}
	}
	if _, ok := z.Score([]byte("none")); ok {
		t.Error("a member that is not there has a score")
	}
	for range 200 {
		start := random.IntN(len(want) + 1)
		stop := start + random.IntN(len(want)+1-start)
		if got := z.Range(start, stop); !slices.Equal(got, want[start:stop]) {
			t.Fatalf("Range(%d, %d) is wrong", start, stop)
		}
	}
}

func TestZSetOrder(t *testing.T) {
	var z ZSet
	for _, s := range []Scored{{1, "b"}, {math.Inf(1), "top"}, {1, "a"}, {math.Inf(-1), "low"}, {1, "B"}, {1, ""}, {0.5, "z"}} {
		z.Put([]byte(s.Member), s.Score)
	}
	check(t, &z, []Scored{{math.Inf(-1), "low"}, {0.5, "z"}, {1, ""}, {1, "B"}, {1, "a"}, {1, "b"}, {math.Inf(1), "top"}})
	z.Put([]byte("z"), 7)
	z.Put([]byte("a"), 1)
	check(t, &z, []Scored{{math.Inf(-1), "low"}, {1, ""}, {1, "B"}, {1, "a"}, {1, "b"}, {7, "z"}, {math.Inf(1), "top"}})
}

// TestZSetMergesBlocks moves members away from the middle, so that blocks get
// small everywhere.
func TestZSetMergesBlocks(t *testing.T) {
	var z ZSet
	const n = 10000
	for i := range n {
		z.Put(fmt.Append(nil, i), float64(i))
	}
	for i := range n {
		if i%50 != 0 {
			z.Put(fmt.Append(nil, i), -1)
		}
	}
	behind := 0 // blocks with members that stayed
	for _, block := range z.blocks {
		if block[0].Score >= 0 {
			behind++
		}
	}
	if most := n / 50 / (blockSize / 4); behind > most+1 {
		t.Errorf("%d members are in %d blocks, want at most %d", n/50, behind, most+1)
	}
	for range n - n/50 + 1 { // 0 stayed too
		z.PopMin()
	}
	var want []Scored
	for i := 50; i < n; i += 50 {
		want = append(want, Scored{float64(i), fmt.Sprint(i)})
	}
	check(t, &z, want)
}
