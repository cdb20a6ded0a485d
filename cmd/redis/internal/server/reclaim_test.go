package server

import (
	"slices"
	"testing"
)

func TestReclaim(t *testing.T) {
	const mib = 1 << 20
	tests := []struct {
		name  string
		used  uint64
		freed []uint64 // of each tick
		want  []int    // the ticks at whose end memory is collected
	}{
		{"nothing", 100 * mib, make([]uint64, 20), nil},
		{"half is garbage", 100 * mib, []uint64{20 * mib, 20 * mib, 10 * mib}, []int{2}},
		{"some is, when no more comes", 100 * mib, []uint64{20 * mib, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, []int{5}},
		{"more comes", 100 * mib, []uint64{10 * mib, 0, 0, 0, 0, 1, 0, 0, 0, 0}, nil},
		{"too little", 100 * mib, []uint64{5 * mib, 0, 0, 0, 0, 0, 0, 0, 0}, nil},
		{"too little of little", mib, []uint64{1000, 0, 0, 0, 0, 0, 0, 0, 0}, nil},
		{"the rest after a collection", 100 * mib, []uint64{60 * mib, 1000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, []int{0, 6}},
		{"a collection while all ends", 100 * mib, []uint64{60 * mib, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, []int{0, 5}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r reclaim
			var got []int
			for tick, freed := range tt.freed {
				if r.due(freed, tt.used) {
					got = append(got, tick)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("collected at %v, want %v", got, tt.want)
			}
		})
	}
}
