package version

import "testing"

// TestOr: the go command records no version in the binary of a test. That of
// other builds is tested in hack/hygiene.
func TestOr(t *testing.T) {
	for stamp, want := range map[string]string{"v1.2.3": "v1.2.3", "": "unknown"} {
		if got := Or(stamp); got != want {
			t.Errorf("Or(%q) = %q, want %q", stamp, got, want)
		}
	}
}
