package container

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// network names the network namespace of the calling thread.
func network(t *testing.T) string {
	t.Helper()
	name, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func newBirthplace(t *testing.T) *Birthplace {
	t.Helper()
	b, err := NewBirthplace()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func TestBirthplace(t *testing.T) {
	newFixture(t)
	before := network(t)
	b := newBirthplace(t)
	b.makeNamespaces(unix.CLONE_NEWNET)
	inside, first := "", false
	if err := b.run(func() { inside, first = network(t), unix.Gettid() == unix.Getpid() }); err != nil {
		t.Fatal(err)
	}
	if inside == before || first {
		t.Errorf("runs in %s, want another than %s; on the first thread: %v", inside, before, first)
	}
	b.Close()
	<-b.ended
	if got := network(t); got != before {
		t.Errorf("another thread is in %s, want %s", got, before)
	}
}

// TestBirthplaceUnused: one that nobody used ends, and lets go of its descriptors.
func TestBirthplaceUnused(t *testing.T) {
	b := newBirthplace(t)
	b.Close()
	b.Close()
	<-b.ended
	for _, e := range []event{b.asked, b.done} {
		if name, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(e))); err == nil && strings.Contains(name, "eventfd") {
			t.Errorf("descriptor %d is still %s", e, name)
		}
	}
}

// noFlag is none of unshare's.
const noFlag = 1

func TestBirthplaceFails(t *testing.T) {
	b := newBirthplace(t)
	b.makeNamespaces(noFlag)
	ran := false
	if err := b.run(func() { ran = true }); !errors.Is(err, unix.EINVAL) || ran {
		t.Errorf("got %v, ran: %v; want EINVAL and no run", err, ran)
	}
	b.Close()
	<-b.ended
}

// TestNamespacesFail: namespaces that can't be made are an error of the field that asks for them, and nothing is left.
func TestNamespacesFail(t *testing.T) {
	f := newFixture(t)
	o := f.bundle("none", []string{"true"}, nil)
	o.ahead = noFlag
	before := f.world()
	err := f.tryRun(o)
	if !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "linux.namespaces[") || !strings.Contains(err.Error(), "unshare") {
		t.Errorf("got %v, want EINVAL of unshare, and the field", err)
	}
	f.gone(o)
	if after := f.world(); after != before {
		t.Errorf("left: %s\nwant %s", after, before)
	}
}
