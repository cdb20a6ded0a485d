package stage

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

// TestImage reads the executable file with debug/elf, for every size of pages
// that a kernel has.
func TestImage(t *testing.T) {
	p := assemble(func(l *lowering) {
		l.print(string(bytes.Repeat([]byte("data "), 5000)))
		l.buffer(10_000)
		l.exit(0)
	})
	for _, pageSize := range []int{4096, 16384, 65536} {
		t.Run(strconv.Itoa(pageSize), func(t *testing.T) {
			image := p.file(pageSize)
			f, err := elf.NewFile(bytes.NewReader(image))
			if err != nil {
				t.Fatal(err)
			}
			checkHeader(t, f)
			loads := checkSegments(t, f, uint64(pageSize))
			if len(loads) != 4 {
				t.Fatalf("%d segments, want 4", len(loads))
			}
			checkContent(t, loads[1], elf.PF_R|elf.PF_W, scratchBase, p.scratch)
			checkContent(t, loads[2], elf.PF_R, programBase, asBytes(p.code))
			checkContent(t, loads[3], elf.PF_R, dataBase, p.data)
			text := loads[0]
			code := make([]byte, text.Filesz-(f.Entry-text.Vaddr))
			if _, err := text.ReadAt(code, int64(f.Entry-text.Vaddr)); err != nil {
				t.Fatal(err)
			}
			if text.Flags != elf.PF_R|elf.PF_X || text.Vaddr != textBase || !bytes.Equal(code,
				interpreterCode()) {
				t.Errorf("text %v at %#x, entry %#x", text.Flags, text.Vaddr, f.Entry)
			}
			if len(image)%pageSize != 0 {
				t.Errorf("%d bytes: the last page is not whole", len(image))
			}
		})
	}
}

func checkHeader(t *testing.T, f *elf.File) {
	t.Helper()
	machine := map[string]elf.Machine{"amd64": elf.EM_X86_64,
		"arm64": elf.EM_AARCH64}[runtime.GOARCH]
	if f.Class != elf.ELFCLASS64 || f.Data != elf.ELFDATA2LSB || f.Type != elf.ET_EXEC ||
		f.Machine != machine || f.OSABI != elf.ELFOSABI_NONE {
		t.Errorf("header %+v", f.FileHeader)
	}
	if len(f.Sections) != 0 {
		t.Errorf("%d sections", len(f.Sections))
	}
}

// checkSegments returns those to be loaded, after a look at what they have in
// common.
func checkSegments(t *testing.T, f *elf.File, pageSize uint64) (loads []*elf.Prog) {
	t.Helper()
	stack := false
	end := uint64(0)
	for _, p := range f.Progs {
		if p.Flags&(elf.PF_W|elf.PF_X) == elf.PF_W|elf.PF_X {
			t.Errorf("%v at %#x can be written and executed", p.Type, p.Vaddr)
		}
		switch p.Type {
		case elf.PT_GNU_STACK:
			stack = true
			if p.Flags != elf.PF_R|elf.PF_W {
				t.Errorf("the stack is %v", p.Flags)
			}
		case elf.PT_LOAD:
			loads = append(loads, p)
			if p.Vaddr%pageSize != p.Off%pageSize || p.Align != pageSize || p.Vaddr != p.Paddr ||
				p.Filesz != p.Memsz {
				t.Errorf("%+v can't be mapped in pages of %d", p.ProgHeader, pageSize)
			}
			if p.Vaddr < end {
				t.Errorf("the segment at %#x begins before the one before it ends, at %#x", p.Vaddr,
					end)
			}
			end = (p.Vaddr + p.Memsz + pageSize - 1) &^ (pageSize - 1)
			if p.Vaddr < progressBase+pageSize && progressBase < end {
				t.Errorf("the segment from %#x to %#x covers the progress page", p.Vaddr, end)
			}
		default:
			t.Errorf("there is a %v", p.Type)
		}
	}
	if !stack {
		t.Error("no PT_GNU_STACK: the stack could be executed")
	}
	return loads
}

func checkContent(t *testing.T, p *elf.Prog, flags elf.ProgFlag, address uint64, want []byte) {
	t.Helper()
	got, err := io.ReadAll(p.Open())
	if err != nil {
		t.Fatal(err)
	}
	if p.Flags != flags || p.Vaddr != address || !bytes.Equal(got, want) {
		t.Errorf("segment %v at %#x with %d bytes, want %v at %#x with %d", p.Flags, p.Vaddr,
			len(got), flags, address, len(want))
	}
}

// TestInterpreterSize: a page holds the headers and the interpreter, so that
// the child is charged for no more.
func TestInterpreterSize(t *testing.T) {
	if size := len(interpreterCode()); size < 100 || size > 2048 {
		t.Errorf("%d bytes", size)
	}
}

// TestPositionIndependence links the interpreter to two addresses and compares
// its bytes. A reference to anything outside, such as a literal pool or a
// constant in another section, would differ. That it works where it was copied
// to, the interpreter's own tests show.
func TestPositionIndependence(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			dir := t.TempDir()
			var codes [2][]byte
			for i, address := range []string{"0x1011000", "0x3211000"} {
				binary := filepath.Join(dir, address)
				cmd := exec.Command("go", "build", "-ldflags=-T="+address, "-o", binary,
					"./testdata/link")
				cmd.Env = append(os.Environ(), "GOARCH="+arch, "CGO_ENABLED=0")
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				code, err := linkedInterpreter(binary)
				if err != nil {
					t.Fatal(err)
				}
				codes[i] = code
			}
			if !bytes.Equal(codes[0], codes[1]) {
				t.Errorf("at one address\n%x\nat another\n%x", codes[0], codes[1])
			}
			if arch == runtime.GOARCH && !bytes.Equal(codes[0], interpreterCode()) {
				t.Errorf("linked for a program\n%x\nin this test\n%x", codes[0], interpreterCode())
			}
		})
	}
}

// linkedInterpreter returns the interpreter's bytes in a binary.
func linkedInterpreter(path string) ([]byte, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	var start, end uint64
	for _, s := range symbols {
		switch s.Name {
		case "github.com/ocikit/ocikit/runtime/internal/stage.interpreter.abi0",
			"github.com/ocikit/ocikit/runtime/internal/stage.interpreter":
			start = s.Value
		case "github.com/ocikit/ocikit/runtime/internal/stage.interpreterEnd.abi0",
			"github.com/ocikit/ocikit/runtime/internal/stage.interpreterEnd":
			end = s.Value
		}
	}
	text := f.Section(".text")
	if text == nil || start == 0 || end <= start {
		return nil, fmt.Errorf("%s: no interpreter between %#x and %#x", path, start, end)
	}
	code := make([]byte, end-start)
	if _, err := text.ReadAt(code, int64(start-text.Addr)); err != nil {
		return nil, errors.Join(errors.New(path), err)
	}
	return code, nil
}
