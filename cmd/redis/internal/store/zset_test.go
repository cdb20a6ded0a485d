package store

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func compare(a, b Scored) int {
	return cmp.Or(cmp.Compare(a.Score, b.Score), cmp.Compare(a.Member, b.Member))
}

// check compares a set with its members in order.
func check(t *testing.T, z *ZSet, want []Scored) {
	t.Helper()
	if z.Len() != len(want) || z.order.Len() != len(want) {
		t.Fatalf("%d members, %d of them in order, want %d", z.Len(), z.order.Len(), len(want))
	}
	for rank := range want {
		if got := z.At(rank); got != want[rank] {
			t.Fatalf("At(%d) = %v, want %v", rank, got, want[rank])
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
		slices.SortFunc(list, compare)
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
	if len(want) < 1000 {
		t.Fatalf("only %d members", len(want))
	}
	for _, s := range want {
		if score := z.Find([]byte(s.Member)); score != s.Score {
			t.Errorf("Find(%s) = %v, want %v", s.Member, score, s.Score)
		}
	}
	if z.Find([]byte("none")) != nil {
		t.Error("a member that is not there has a score")
	}
	for _, least := range want {
		if got := z.PopMin(); got != least {
			t.Fatalf("PopMin() = %v, want %v", got, least)
		}
	}
	check(t, &z, nil)
}

func TestZSetOrder(t *testing.T) {
	var z ZSet
	for _, s := range []Scored{{1, "b"}, {math.Inf(1), "top"}, {1, "a"}, {math.Inf(-1), "low"},
		{1, "B"}, {1, ""}, {0.5, "z"}} {
		z.Put([]byte(s.Member), s.Score)
	}
	check(t, &z, []Scored{{math.Inf(-1), "low"}, {0.5, "z"}, {1, ""}, {1, "B"}, {1, "a"}, {1, "b"},
		{math.Inf(1), "top"}})
	z.Put([]byte("z"), 7)
	z.Put([]byte("a"), 1)
	check(t, &z, []Scored{{math.Inf(-1), "low"}, {1, ""}, {1, "B"}, {1, "a"}, {1, "b"}, {7, "z"},
		{math.Inf(1), "top"}})
}

// TestZSetMovesMembers gives most members a new score, far from the old one.
func TestZSetMovesMembers(t *testing.T) {
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
	for range n - n/50 + 1 { // 0 stayed too
		z.PopMin()
	}
	var want []Scored
	for i := 50; i < n; i += 50 {
		want = append(want, Scored{float64(i), fmt.Sprint(i)})
	}
	check(t, &z, want)
}
