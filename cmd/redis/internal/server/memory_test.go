package server

import "testing"

func TestWorthCollecting(t *testing.T) {
	const mib = 1 << 20
	tests := []struct {
		name          string
		garbage, used int
		quiet, want   bool
	}{
		{"nothing", 0, 100 * mib, true, false},
		{"half is garbage", 50 * mib, 100 * mib, false, true},
		{"some is, when no more comes", 20 * mib, 100 * mib, true, true},
		{"some is, and more comes", 20 * mib, 100 * mib, false, false},
		{"all is", 100 * mib, 100 * mib, false, true},
		{"more than there is, as it is an estimate", 200 * mib, 100 * mib, false, true},
		{"too little", 5 * mib, 100 * mib, true, false},
		{"too little of little", 1000, mib, true, false},
		{"half of little, and more comes", 3 * mib, 6 * mib, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := worthCollecting(tt.garbage, tt.used, tt.quiet); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if used := usedMemory(); used < 100_000 || used > 1<<40 {
		t.Errorf("%d bytes are used", used)
	}
}
