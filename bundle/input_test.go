package bundle

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestReadInput(t *testing.T) {
	dir := t.TempDir()
	file, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "fifo")
	if err := os.WriteFile(file, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, file string
		max        int64
		write      string // to the FIFO
		want, err  string
	}{
		{"a file", file, 10, "", "0123456789", ""},
		{"too large", file, 9, "", "", "is larger than 9 bytes"},
		{"a pipe", fifo, 10, "0123456789", "0123456789", ""},
		{"a pipe with too much", fifo, 9, "0123456789", "", "is larger than 9 bytes"},
		{"a device", "/dev/zero", 9, "", "", "/dev/zero: is neither a regular file nor a pipe"},
		{"a directory", dir, 9, "", "", "is neither a regular file nor a pipe"},
		{"nothing", file + "x", 9, "", "", "no such file or directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wrote := make(chan error, 1)
			if tt.write == "" {
				wrote <- nil
			} else {
				go func() { wrote <- os.WriteFile(tt.file, []byte(tt.write), 0) }()
			}
			got, err := ReadInput(tt.file, tt.max)
			if string(got) != tt.want || (err == nil) != (tt.err == "") || err != nil &&
				!strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %q, %v; want %q, %s", got, err, tt.want, tt.err)
			}
			if err := <-wrote; err != nil {
				t.Error(err)
			}
		})
	}
}
