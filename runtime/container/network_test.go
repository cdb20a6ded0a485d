package container

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/internal/netns"
)

// TestNetworkFails: a network namespace that can't be made is an error of the
// field that asks for it, and nothing is left.
func TestNetworkFails(t *testing.T) {
	f := newFixture(t)
	o := f.bundle("none", []string{"true"}, nil)
	// It is made with the credentials of the thread that asks for it.
	err := throwaway(func() (err error) {
		caps := [2]unix.CapUserData{}
		if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3},
			&caps[0]); err != nil {
			return err
		}
		o.test.Network, err = netns.Make()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	before := f.world()
	err = f.tryRun(o)
	want := "linux.namespaces[1]: wait for the network namespace: unshare: " +
		"operation not permitted"
	if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want EPERM and %q", err, want)
	}
	f.gone(o)
	f.same(before)
}
