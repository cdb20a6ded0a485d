package flatten

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// attacked is an image with entries of all kinds in directories d0 to d7 and in
// directories below those, so that every kind of call meets the attacker.
func attacked(t *testing.T) []Layer {
	var lower, upper []entry
	for i := range 8 {
		d := fmt.Sprintf("d%d", i)
		lower = append(lower, directory(d), directory(d+"/sub"), file(d+"/gone", "x"))
		for j := range 6 {
			name := fmt.Sprintf("%s/sub/f%d", d, j)
			f := file(name, strings.Repeat("secret", 100))
			f.Mode, f.Uid = 0o4755, 1000
			lower = append(lower, f, withXattr(file(name+"x", "x"), "user.x", "1"),
				hardlink(name+"l", name),
				symlink(name+"s", "/etc"), fifo(name+"p"), directory(name+"d"))
		}
		// A hard link to a name that is hidden makes a second pass, and the two
		// entries for a path a replay, which removes files again.
		lower = append(lower, hardlink(d+"/sub/kept", d+"/gone"))
		upper = append(upper, wh(d+"/.wh.gone"), file(d+"/sub/late", "x"))
	}
	lower = append(lower, file("twice", "1"), file("twice", "2"))
	return []Layer{layerOf(t, lower...), layerOf(t, upper...)}
}

// TestAttack flattens while others swap the directories of the tree for
// symbolic links that lead out of it. Apply may fail; what is outside must not
// change.
func TestAttack(t *testing.T) {
	layers := attacked(t)
	base := t.TempDir()
	outside := filepath.Join(base, "outside")
	for _, d := range []string{"", "sub", "sub/f0d"} {
		if err := os.Mkdir(filepath.Join(outside, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"gone", "sub/f0", "sub/late"} {
		if err := os.WriteFile(filepath.Join(outside, f), []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := scan(t, outside)
	const rounds = 60
	var swaps, failed atomic.Int64
	for round := range rounds {
		// From one quiet attacker, who may come late, to a crowd that lets
		// nothing through.
		attack(t, filepath.Join(base, fmt.Sprint(round)), outside, layers, round, &swaps, &failed)
	}
	if diff := differences(scan(t, outside), before); diff != nil {
		t.Errorf("something outside of the root changed:\n%s", strings.Join(diff, "\n"))
	}
	t.Logf("%d swaps, %d of %d calls failed", swaps.Load(), failed.Load(), rounds)
	if n := failed.Load(); n == 0 || n == rounds {
		t.Error("the attacks were all too weak or all too strong")
	}
}

// attack is one round of TestAttack.
func attack(t *testing.T, base, outside string, layers []Layer, round int, swaps,
	failed *atomic.Int64) {
	t.Helper()
	rootfs := filepath.Join(base, "rootfs")
	if err := os.MkdirAll(rootfs, 0o755); err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	targets := []string{"d0", "d2/sub", "d4", "d3/sub", "d1", "d5/sub"}
	for i, target := range targets[:1+round%len(targets)] {
		evil := filepath.Join(base, fmt.Sprint("evil", i))
		to := outside
		if strings.HasSuffix(target, "sub") {
			to = filepath.Join(outside, "sub")
		}
		if err := os.Symlink(to, evil); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			path := filepath.Join(rootfs, target)
			for !stop.Load() {
				for range round * 40 {
					runtime.Gosched()
				}
				for range 2 { // there and back
					if unix.Renameat2(unix.AT_FDCWD, evil, unix.AT_FDCWD, path,
						unix.RENAME_EXCHANGE) == nil {
						swaps.Add(1)
					}
				}
			}
		})
	}
	dir, err := os.Open(rootfs)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if _, err := Apply(t.Context(), dir, layers, Options{Workers: 3}); err != nil {
		failed.Add(1)
	}
	stop.Store(true)
	wg.Wait()
}
