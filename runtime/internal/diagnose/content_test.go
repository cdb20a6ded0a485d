package diagnose

import (
	"encoding/binary"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// elfHead makes the ELF header of a 64-bit program for a machine, elf(5), and
// behind it a program header of an interpreter, to which phoff should point.
func elfHead(machine uint16, phoff uint64, interpreter string) []byte {
	const headerSize, entrySize = 64, 56
	e := binary.LittleEndian
	b := make([]byte, headerSize+entrySize)
	copy(b, "\x7fELF\x02\x01\x01")
	e.PutUint16(b[18:], machine)
	e.PutUint64(b[32:], phoff)
	e.PutUint16(b[56:], 1)
	entry := b[headerSize:]
	e.PutUint32(entry, 3)
	e.PutUint64(entry[8:], headerSize+entrySize)
	e.PutUint64(entry[32:], uint64(len(interpreter)+1))
	return append(append(b, interpreter...), 0, 0)
}

func native() uint16 {
	for _, m := range machines {
		if m.name == runtime.GOARCH {
			return m.number
		}
	}
	return 0
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, head string
		want       content
	}{
		{"empty", "", content{reason: "the file is empty", errno: unix.ENOEXEC}},
		{"text", "echo", content{errno: unix.ENOEXEC,
			reason: "the file is neither an ELF program nor a script with a #! line"}},
		{"script", "#! /bin/sh -e\nx", content{kind: "#!", interpreter: "/bin/sh"}},
		{"one line", "#!/bin/sh", content{kind: "#!", interpreter: "/bin/sh"}},
		{"nothing behind #!", "#! \n", content{errno: unix.ENOEXEC,
			reason: "its #! line names no interpreter"}},
		{"cut off", "\x7fELF\x02", content{errno: unix.ENOEXEC,
			reason: "the ELF file is cut off"}},
		{"static", string(elfHead(native(), 1<<20, "")), content{}},
		{"dynamic", string(elfHead(native(), 64, "/lib/ld.so")), content{kind: "ELF",
			interpreter: "/lib/ld.so"}},
		// once a panic: the end of the header is beyond 64 bits
		{"header at the end", string(elfHead(native(), 1<<64-10, "/lib/ld.so")), content{}},
		{"no machine", string(elfHead(0xfff0, 64, "")), content{errno: unix.ENOEXEC,
			reason: "it is built for machine 65520, this machine is " + runtime.GOARCH}},
	} {
		if got := parse([]byte(tt.head)); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
	if got := parse([]byte("#!/bin/sh\r\n")); !strings.Contains(got.reason, "CR LF") ||
		got.errno != unix.ENOENT {
		t.Errorf("CR LF: got %+v", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("#!/bin/sh\n"))
	f.Add(elfHead(native(), 64, "/lib/ld.so"))
	f.Add(elfHead(native(), 1<<64-10, ""))
	f.Fuzz(func(t *testing.T, head []byte) {
		got := parse(head)
		if (got.reason != "") != (got.errno != 0) || got.reason != "" && got.interpreter != "" ||
			(got.kind != "") != (got.interpreter != "") && got.kind != "ELF" {
			t.Errorf("%q: %+v", head, got)
		}
	})
}
