package sys

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"
)

// TestWaitRaces lets what is waited for come at the same time as the wait
// begins, and as its context ends: no wait misses both.
func TestWaitRaces(t *testing.T) {
	const rounds = 500
	var group sync.WaitGroup
	for range 4 {
		r, w := pipe(t)
		group.Go(func() {
			for round := range rounds {
				if err := raceRound(r, w, round); err != nil {
					t.Errorf("round %d: %v", round, err)
					return
				}
			}
		})
	}
	group.Wait()
}

// raceRound waits while another goroutine writes, ends the context, or does
// both.
func raceRound(r, w *os.File, round int) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	write, end := round%3 != 0, round%3 != 1
	if end {
		go cancel(&Interrupted{By: "the bell"})
	}
	wrote := make(chan error, 1)
	go func() {
		var err error
		if write {
			_, err = w.Write([]byte{1})
		}
		wrote <- err
	}()
	waited := make(chan error, 1)
	go func() { waited <- Wait(ctx, r) }()
	var err error
	select {
	case err = <-waited:
	case <-time.After(20 * time.Second):
		return errors.New("the wait does not end")
	}
	var by *Interrupted
	if err != nil && (!end || !errors.As(err, &by)) || err == nil && !write {
		return err
	}
	if err := <-wrote; err != nil || !write {
		return err
	}
	_, err = r.Read(make([]byte, 1))
	return err
}
