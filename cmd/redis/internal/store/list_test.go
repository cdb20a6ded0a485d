package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestList runs random changes on a list and on a slice.
func TestList(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var list List
	var model []string
	for n := range 40000 {
		s := fmt.Sprint(n)
		grow := random.IntN(10000) > n%10000
		switch {
		case grow && random.IntN(2) == 0:
			list.Push(Back, s)
			model = append(model, s)
		case grow:
			list.Push(Front, s)
			model = slices.Insert(model, 0, s)
		case len(model) == 0:
		case random.IntN(2) == 0:
			if got := list.Pop(Back); got != model[len(model)-1] {
				t.Fatalf("Pop(Back) = %s, want %s", got, model[len(model)-1])
			}
			model = model[:len(model)-1]
		default:
			if got := list.Pop(Front); got != model[0] {
				t.Fatalf("Pop(Front) = %s, want %s", got, model[0])
			}
			model = model[1:]
		}
		if list.Len() != len(model) {
			t.Fatalf("Len() = %d, want %d", list.Len(), len(model))
		}
		if len(model) > 0 {
			if i := random.IntN(len(model)); list.At(i) != model[i] {
				t.Fatalf("At(%d) = %s, want %s", i, list.At(i), model[i])
			}
		}
	}
}

func TestListShrinks(t *testing.T) {
	var list List
	for i := range 10000 {
		list.Push(Back, fmt.Sprint(i))
	}
	for range 9990 {
		list.Pop(Front)
	}
	if room := cap(list.stacks[Front]) + cap(list.stacks[Back]); room > 1024 {
		t.Errorf("10 elements have room for %d", room)
	}
	for i := range 10 {
		if want := fmt.Sprint(9990 + i); list.At(i) != want {
			t.Errorf("At(%d) = %s, want %s", i, list.At(i), want)
		}
	}
}
