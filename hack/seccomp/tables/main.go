// Command tables writes runtime/seccomp/tables.go: the names and numbers of
// the system calls of every architecture that the runtime specification knows.
//
// The numbers come from the kernel's own headers, as Debian packages them for
// cross compilers (linux-libc-dev-ARCH-cross), read with the C preprocessor.
// System calls that are newer than those headers come from
// golang.org/x/sys/unix, whose lists are generated from the headers of a newer
// release. Since Linux 5.0 a new system call has the same number on every
// architecture (offset by the base of the ABI), so the newer ones are added to
// the architectures that x/sys lacks too, after checking that all its lists
// agree.
//
// Run it from the top of the repository: go run ./hack/seccomp/tables
package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/format"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// firstCommon is the first number that is the same on every architecture:
// include/uapi/asm-generic/unistd.h since Linux 5.1.
const firstCommon = 424

// lastCommon is where the calls of x32 that are its own start:
// arch/x86/entry/syscalls/syscall_64.tbl.
const lastCommon = 512

// A source says where the numbers of one table come from.
type source struct {
	table   string   // suffix of the table's Go name
	doc     string   // what the table is, for its comment
	base    uint32   // first number of the ABI
	include string   // directory of the kernel's headers, "" when only xsys has it
	header  string   // header to read, asm/unistd.h or the ABI's own
	defines []string // macros that choose the ABI
	xsys    string   // GOARCH of the x/sys list, "" when it has none
}

var sources = []source{
	{"X86", "i386", 0, "i686-linux-gnu", "asm/unistd_32.h", nil, "386"},
	{"X86_64", "x86-64", 0, "i686-linux-gnu", "asm/unistd_64.h", nil, "amd64"},
	{"X32", "x32", 0x40000000, "i686-linux-gnu", "asm/unistd_x32.h",
		[]string{"__X32_SYSCALL_BIT=0x40000000"}, ""},
	{"ARM", "32-bit ARM (EABI)", 0, "arm-linux-gnueabihf", "asm/unistd.h", []string{"__ARM_EABI__"},
		"arm"},
	{"AARCH64", "64-bit ARM", 0, "aarch64-linux-gnu", "asm/unistd.h", nil, "arm64"},
	{"MIPS", "MIPS o32, both byte orders", 4000, "mips-linux-gnu", "asm/unistd.h",
		[]string{"_MIPS_SIM=1"}, "mips"},
	{"MIPS64", "MIPS n64, both byte orders", 5000, "mips-linux-gnu", "asm/unistd.h",
		[]string{"_MIPS_SIM=3"}, "mips64"},
	{"MIPS64N32", "MIPS n32, both byte orders", 6000, "mips-linux-gnu", "asm/unistd.h",
		[]string{"_MIPS_SIM=2"}, ""},
	{"PPC", "32-bit PowerPC", 0, "powerpc-linux-gnu", "asm/unistd_32.h", nil, "ppc"},
	{"PPC64", "64-bit PowerPC, both byte orders", 0, "powerpc-linux-gnu", "asm/unistd_64.h", nil,
		"ppc64"},
	{"S390", "31-bit S/390", 0, "s390x-linux-gnu", "asm/unistd_32.h", nil, ""},
	{"S390X", "64-bit z/Architecture", 0, "s390x-linux-gnu", "asm/unistd_64.h", nil, "s390x"},
	{"PARISC", "32-bit PA-RISC", 0, "hppa-linux-gnu", "asm/unistd_32.h", nil, ""},
	{"PARISC64", "64-bit PA-RISC", 0, "hppa-linux-gnu", "asm/unistd_64.h", nil, ""},
	{"RISCV64", "64-bit RISC-V", 0, "riscv64-linux-gnu", "asm/unistd.h", []string{"__riscv_xlen=64",
		"__LP64__", "__SIZEOF_POINTER__=8"}, "riscv64"},
	{"LOONGARCH64", "64-bit LoongArch", 0, "", "", nil, "loong64"},
	{"M68K", "Motorola 68000", 0, "m68k-linux-gnu", "asm/unistd_32.h", nil, ""},
	{"SH", "SuperH, both byte orders", 0, "sh4-linux-gnu", "asm/unistd_32.h", nil, ""},
}

// extra are the calls of single architectures that are newer than the headers
// and that x/sys does not have. They are in the kernel's
// arch/*/kernel/syscalls/syscall.tbl and
// arch/x86/entry/syscalls/syscall_64.tbl.
var extra = map[string]table{
	"X32":      {"uretprobe": 0x40000000 + 335, "uprobe": 0x40000000 + 336}, // Linux 6.11 and later
	"PARISC":   {"cacheflush": 356},
	"PARISC64": {"cacheflush": 356},
	"SH":       {"sync_file_range2": 388}, // was sync_file_range before Linux 6.10
}

// A table maps a system call's name to its number on one architecture.
type table map[string]uint32

func main() {
	if err := run("runtime/seccomp/tables.go"); err != nil {
		fmt.Fprintln(os.Stderr, "tables:", err)
		os.Exit(1)
	}
}

func run(output string) error {
	xsys, err := openXSys()
	if err != nil {
		return err
	}
	newer, err := xsys.common()
	if err != nil {
		return err
	}
	tables := make([]table, len(sources))
	release := ""
	for i, s := range sources {
		if tables[i], err = s.read(xsys, newer); err != nil {
			return fmt.Errorf("table %s: %w", s.table, err)
		}
		if s.include == "" {
			continue
		}
		r, err := s.release()
		if err != nil {
			return fmt.Errorf("table %s: %w", s.table, err)
		}
		if release != "" && r != release {
			return fmt.Errorf("table %s is of Linux %s, those before of %s", s.table, r, release)
		}
		release = r
	}
	text, err := format.Source(render(tables, release, xsys))
	if err != nil {
		return err
	}
	return os.WriteFile(output, text, 0o644)
}

// read returns the table of s: the headers' numbers, the private ones of ARM,
// and what is newer than the headers.
func (s source) read(x *xsys, newer table) (table, error) {
	t := table{}
	if s.include != "" {
		macros, err := s.preprocess()
		if err != nil {
			return nil, err
		}
		if t, err = numbers(macros); err != nil {
			return nil, err
		}
	}
	newest := uint32(0)
	taken := map[uint32]bool{}
	for _, nr := range t {
		taken[nr] = true
		if nr-s.base < lastCommon { // not a private call of ARM or x32
			newest = max(newest, nr)
		}
	}
	more := table{}
	if s.xsys != "" {
		own, err := x.list(s.xsys)
		if err != nil {
			return nil, err
		}
		more = own
	} else {
		for name, nr := range newer {
			if s.base+nr > newest {
				more[name] = s.base + nr
			}
		}
	}
	for name, nr := range more {
		if have, ok := t[name]; ok && have != nr {
			return nil, fmt.Errorf("%s is %d in the headers and %d in x/sys", name, have, nr)
		}
		if !taken[nr] {
			t[name] = nr
		}
	}
	maps.Copy(t, extra[s.table])
	return t, nil
}

// preprocess returns every macro that the header of s defines.
func (s source) preprocess() (map[string]string, error) {
	dir := filepath.Join("/usr", s.include, "include")
	args := []string{"-E", "-dM", "-undef", "-nostdinc", "-I", dir, "-x", "c", "-"}
	for _, d := range s.defines {
		args = append(args, "-D"+d)
	}
	cmd := exec.Command("gcc", args...)
	cmd.Stdin = strings.NewReader("#include <" + s.header + ">\n")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s of %s (apt-get install the linux-libc-dev-*-cross packages): %w",
			s.header, dir, err)
	}
	macros := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) >= 3 && f[0] == "#define" {
			macros[f[1]] = strings.Join(f[2:], "")
		}
	}
	return macros, nil
}

// release returns the kernel release that the headers of s are of.
func (s source) release() (string, error) {
	s.header = "linux/version.h"
	macros, err := s.preprocess()
	if err != nil {
		return "", err
	}
	major, minor := macros["LINUX_VERSION_MAJOR"], macros["LINUX_VERSION_PATCHLEVEL"]
	return major + "." + minor, nil
}

// render returns the Go source of the tables.
func render(tables []table, release string, x *xsys) []byte {
	names := map[string]bool{}
	for _, t := range tables {
		for name := range t {
			names[name] = true
		}
	}
	sorted := slices.Sorted(maps.Keys(names))
	row := map[string]int{}
	for i, name := range sorted {
		row[name] = i
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "// Code generated by hack/seccomp/tables. DO NOT EDIT.\n"+
		"//\n// It comes from the headers of Linux %s (Debian) and golang.org/x/sys %s\n"+
		"// (Linux %s).\n\npackage seccomp\n\n", release, x.version, x.release)
	fmt.Fprintf(&b, "// tablesRelease is the newest kernel release that the tables know.\nconst "+
		"tablesRelease = %q\n\n", x.release)
	fmt.Fprintf(&b, "// nameCount is the number of system call names, of all architectures "+
		"together.\nconst nameCount = %d\n\n", len(sorted))
	writeNames(&b, sorted)
	for i, s := range sources {
		writeTable(&b, s, tables[i], row)
	}
	return b.Bytes()
}

// writeNames writes all names as one string and the offset of each in it.
func writeNames(b *bytes.Buffer, names []string) {
	b.WriteString("// nameText holds every name, sorted, one after the other.\nconst nameText = " +
		"\"\"")
	for chunk := range slices.Chunk(names, 16) {
		fmt.Fprintf(b, " +\n\t%q", strings.Join(chunk, ""))
	}
	fmt.Fprintf(b, "\n\n// nameStart holds where each name starts in nameText, and where the "+
		"last ends.\nvar nameStart = [nameCount + 1]uint16{")
	at := 0
	for i, name := range append(names, "") {
		if i%24 == 0 {
			b.WriteString("\n\t")
		}
		fmt.Fprintf(b, "%d, ", at)
		at += len(name)
	}
	b.WriteString("\n}\n")
}

// writeTable writes one architecture's numbers, sorted, each packed with the
// row of its name: (number - base)<<16 | row. The private calls of ARM, which
// start at 0x0f0000, are packed as 0xf000 + n.
func writeTable(b *bytes.Buffer, s source, t table, row map[string]int) {
	type entry struct {
		nr   uint32
		name string
	}
	var entries []entry
	for name, nr := range t {
		entries = append(entries, entry{nr, name})
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.nr, b.nr), cmp.Compare(a.name, b.name))
	})
	fmt.Fprintf(b, "\n// table%s is %s.\nvar table%s = []uint32{", s.table, s.doc, s.table)
	for i, e := range entries {
		if i%20 == 0 {
			b.WriteString("\n\t")
		}
		rel := e.nr - s.base
		if rel >= 0xf0000 {
			rel = rel - 0xf0000 + 0xf000
		}
		fmt.Fprintf(b, "%#x, ", rel<<16|uint32(row[e.name]))
	}
	b.WriteString("\n}\n")
}
