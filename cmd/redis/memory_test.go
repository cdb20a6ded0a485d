package main

import (
	"testing"
	"testing/fstest"
)

func TestContainerMemoryLimit(t *testing.T) {
	const v1, v2 = "sys/fs/cgroup/memory/memory.limit_in_bytes", "sys/fs/cgroup/memory.max"
	tests := []struct {
		name       string
		file, text string
		want       int64
		ok         bool
	}{
		{"v2", v2, "67108864\n", 64 << 20, true},
		{"v2 without limit", v2, "max\n", 0, false},
		{"v1", v1, "33554432\n", 32 << 20, true},
		{"v1 without limit", v1, "9223372036854771712\n", 0, false},
		{"zero", v2, "0\n", 0, false},
		{"empty", v2, "", 0, false},
		{"no cgroup", "etc/hostname", "box", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := fstest.MapFS{tt.file: {Data: []byte(tt.text)}}
			if got, ok := containerMemoryLimit(root); got != tt.want || ok != tt.ok {
				t.Errorf("got %d, %v, want %d, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}
