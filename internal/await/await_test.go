package await

import (
	"errors"
	"os"
	"testing"
	"time"
)

// bell is an Interrupt: each byte that it is rung with is a reason or none.
type bell struct{ r, w *os.File }

func (b *bell) FD() int { return int(b.r.Fd()) }

func (b *bell) Err() error {
	var got [1]byte
	if _, err := b.r.Read(got[:]); err != nil || got[0] == 'n' {
		return err
	}
	return &Interrupted{By: "the bell"}
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func TestFor(t *testing.T) {
	ready, w := pipe(t)
	if _, err := w.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	empty, _ := pipe(t)
	ended, w := pipe(t)
	w.Close()
	past, future := time.Now(), time.Now().Add(time.Minute)
	for _, tt := range []struct {
		name     string
		file     *os.File
		deadline time.Time
		rung     string // what the bell is rung with; "": there is none
		want     string
	}{
		{"ready", ready, time.Time{}, "", ""},
		{"ready after the deadline", ready, past, "", ""},
		{"ready and interrupted", ready, future, "y", ""},
		{"ended", ended, time.Time{}, "", ""},
		{"late", empty, past, "", os.ErrDeadlineExceeded.Error()},
		{"interrupted", empty, time.Time{}, "y", "interrupted by the bell"},
		{"interrupted for no reason before", empty, future, "nny", "interrupted by the bell"},
		{"for no reason", empty, time.Now().Add(20 * time.Millisecond), "n",
			os.ErrDeadlineExceeded.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var i Interrupt
			if tt.rung != "" {
				r, w := pipe(t)
				i = &bell{r, w}
				if _, err := w.WriteString(tt.rung); err != nil {
					t.Fatal(err)
				}
			}
			err := For(int(tt.file.Fd()), tt.deadline, i)
			if err == nil && tt.want != "" || err != nil && err.Error() != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if by := new(*Interrupted); tt.want == "interrupted by the bell" && !errors.As(err,
				by) {
				t.Errorf("it is a %T", err)
			}
		})
	}
}
