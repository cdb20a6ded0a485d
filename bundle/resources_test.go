package bundle

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestResources(t *testing.T) {
	limit := func(n int64) *specs.LinuxResources {
		return &specs.LinuxResources{
			Pids: &specs.LinuxPids{Limit: &n}}
	}
	for _, c := range []struct {
		version string
		given   *specs.LinuxResources
		want    int64 // of pids.limit
		same    bool  // what was given
	}{
		{"1.0.2-dev", limit(0), -1, false},
		{"1.2.1", limit(0), -1, false},
		{"1.3.0", limit(0), 0, true},
		{"1.3.0-rc.1", limit(0), 0, true},
		{"1.10.0", limit(0), 0, true},
		{"none", limit(0), 0, true},
		{"1.0.0", limit(-1), -1, true},
		{"1.0.0", limit(7), 7, true},
	} {
		got := Resources(c.version, c.given)
		if *got.Pids.Limit != c.want || (got == c.given) != c.same {
			t.Errorf("%s, %d: got %d, the same: %v; want %d, %v", c.version, *c.given.Pids.Limit,
				*got.Pids.Limit, got == c.given, c.want, c.same)
		}
		if !c.same && *c.given.Pids.Limit != 0 {
			t.Errorf("%s: what was given has become %d", c.version, *c.given.Pids.Limit)
		}
	}
	for _, r := range []*specs.LinuxResources{nil, {}, {Pids: &specs.LinuxPids{}}} {
		if got := Resources("1.0.0", r); got != r {
			t.Errorf("got %+v, want what was given: %+v", got, r)
		}
	}
}
