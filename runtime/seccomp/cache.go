package seccomp

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// codeEpoch is part of every key of the cache. It changes with the filters
// that the compiler makes: a test fails when it was forgotten.
const codeEpoch = 1

// Bounds of the cache. A file is some KiB.
const (
	defaultMaxFiles = 64
	maxFileSize     = 1 << 20
)

// cacheMagic starts every file of the cache.
const cacheMagic = "ocikit-seccomp\n"

// A Cache keeps compiled filters in a folder, one file for each, named by what
// the filter was compiled from. Any number of processes may use it at a time.
//
// The folder decides what containers may do, so Cache trusts nothing in it
// that anyone but this user could have written: the folder and the files must
// belong to the effective user and be writable for nobody else, symbolic links
// are not followed, and a file's contents are checked against a checksum, the
// key and the rules of the kernel for programs. Anything else is as if it were
// not there, with a warning.
type Cache struct {
	// Dir is the folder, on a local file system. It is made if need be, its
	// parent is not; nobody else may be able to rename in that. An empty Dir
	// caches nothing.
	Dir string
	// MaxFiles is how many filters are kept, the newest ones; 0 means 64.
	MaxFiles int
}

// Compile is Compile with a cache. A cache that cannot be used costs time, not
// the container: that is a warning without path.
func (c Cache) Compile(spec *specs.LinuxSeccomp, opts Options) (*Filter, []Warning, error) {
	if c.Dir == "" || spec == nil || spec.DefaultAction == "" && len(spec.Syscalls) == 0 {
		return Compile(spec, opts)
	}
	key := cacheKey(spec, opts)
	dir, err := c.open()
	if err != nil {
		f, warnings, compileErr := Compile(spec, opts)
		return f, append(warnings, Warning{Text: "seccomp cache: " + err.Error()}), compileErr
	}
	defer unix.Close(dir)
	f, warnings, readErr := read(dir, key)
	if readErr == nil {
		return f, warnings, nil
	}
	f, warnings, err = Compile(spec, opts)
	if err != nil {
		return nil, warnings, err
	}
	contents := encode(key, f, warnings)
	warnings = slices.Clip(warnings)
	if !errors.Is(readErr, unix.ENOENT) {
		warnings = append(warnings, Warning{Text: fmt.Sprintf("seccomp cache: %s/%s: %v", c.Dir, key.fileName(), readErr)})
	}
	if err := c.write(dir, key, contents); err != nil {
		warnings = append(warnings, Warning{Text: fmt.Sprintf("seccomp cache: %s: %v", c.Dir, err)})
	}
	return f, warnings, nil
}

// A key is the hash of everything that a filter is made from.
type key [sha256.Size]byte

// cacheKey returns the key of a filter. Every string is preceded by its
// length, so that no two profiles have the same bytes.
func cacheKey(spec *specs.LinuxSeccomp, opts Options) key {
	b := make([]byte, 0, 16<<10)
	number := func(n uint64) { b = binary.AppendUvarint(b, n) }
	text := func(s string) { number(uint64(len(s))); b = append(b, s...) }
	errno := func(e *uint) {
		if e == nil {
			number(0)
			return
		}
		number(1)
		number(uint64(*e))
	}
	text(cacheMagic)
	number(codeEpoch)
	text(tablesRelease)
	text(runtime.GOARCH)
	text(string(opts.Native))
	number(uint64(opts.Kernel.Flags))
	number(uint64(len(opts.Kernel.Actions)))
	for _, a := range opts.Kernel.Actions {
		text(string(a))
	}
	text(string(spec.DefaultAction))
	errno(spec.DefaultErrnoRet)
	number(uint64(len(spec.Architectures)))
	for _, a := range spec.Architectures {
		text(string(a))
	}
	if spec.Flags == nil {
		number(0)
	} else {
		number(1 + uint64(len(spec.Flags)))
	}
	for _, f := range spec.Flags {
		text(string(f))
	}
	text(spec.ListenerPath)
	text(spec.ListenerMetadata)
	number(uint64(len(spec.Syscalls)))
	for i := range spec.Syscalls {
		call := &spec.Syscalls[i]
		text(string(call.Action))
		errno(call.ErrnoRet)
		number(uint64(len(call.Names)))
		for _, n := range call.Names {
			text(n)
		}
		number(uint64(len(call.Args)))
		for _, a := range call.Args {
			number(uint64(a.Index))
			number(a.Value)
			number(a.ValueTwo)
			text(string(a.Op))
		}
	}
	return sha256.Sum256(b)
}

// encode returns the contents of a file: the magic, the key, the flags, the
// instructions, the warnings, and a checksum of all that.
func encode(k key, f *Filter, warnings []Warning) []byte {
	b := append([]byte(cacheMagic), k[:]...)
	b = binary.NativeEndian.AppendUint32(b, f.Flags)
	b = binary.NativeEndian.AppendUint32(b, uint32(len(f.Instructions)))
	b = append(b, f.Bytes()...)
	for _, w := range warnings {
		b = append(b, w.Path+"\x00"+w.Text+"\x00"...)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

var errDamaged = errors.New("damaged file")

// decode reads what encode wrote.
func decode(k key, b []byte) (*Filter, []Warning, error) {
	const head = len(cacheMagic) + len(k) + 8
	end := len(b) - sha256.Size
	if end < head || string(b[:len(cacheMagic)]) != cacheMagic || key(b[len(cacheMagic):]) != k ||
		sha256.Sum256(b[:end]) != [sha256.Size]byte(b[end:]) {
		return nil, nil, errDamaged
	}
	f := &Filter{Flags: binary.NativeEndian.Uint32(b[head-8:])}
	f.Notify = f.Flags&FlagNewListener != 0
	n := int(binary.NativeEndian.Uint32(b[head-4:]))
	b = b[head:end]
	if n > maxInstructions || len(b) < 8*n {
		return nil, nil, errDamaged
	}
	f.Instructions = make([]Instruction, n)
	for i := range f.Instructions {
		in := b[8*i:]
		f.Instructions[i] = Instruction{binary.NativeEndian.Uint16(in), in[2], in[3], binary.NativeEndian.Uint32(in[4:])}
	}
	var warnings []Warning
	for rest := string(b[8*n:]); rest != ""; {
		var w Warning
		w.Path, rest, _ = strings.Cut(rest, "\x00")
		w.Text, rest, _ = strings.Cut(rest, "\x00")
		warnings = append(warnings, w)
	}
	return f, warnings, f.check()
}

// open opens the folder, after making it if it is missing, and checks that
// nobody else can write there. The caller closes the descriptor.
func (c Cache) open() (int, error) {
	const flags = unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_RDONLY
	dir, err := openRetry(unix.AT_FDCWD, c.Dir, flags, 0)
	if errors.Is(err, unix.ENOENT) {
		if err := os.Mkdir(c.Dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return -1, err
		}
		dir, err = openRetry(unix.AT_FDCWD, c.Dir, flags, 0)
	}
	if err != nil {
		return -1, fmt.Errorf("%s: %w", c.Dir, err)
	}
	if _, err := checkOwner(dir, unix.S_IFDIR); err != nil {
		unix.Close(dir)
		return -1, fmt.Errorf("%s: %w", c.Dir, err)
	}
	return dir, nil
}

// openRetry is openat(2), retried when a signal interrupts it.
func openRetry(dir int, name string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags, mode)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// checkOwner checks that fd is of the given type, belongs to this user and is
// writable for nobody else. It returns the size.
func checkOwner(fd int, kind uint32) (size int64, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, err
	}
	switch {
	case st.Mode&unix.S_IFMT != kind:
		return 0, errors.New("of the wrong file type")
	case st.Uid != uint32(os.Geteuid()):
		return 0, fmt.Errorf("belongs to user %d, not to %d", st.Uid, os.Geteuid())
	case st.Mode&0o022 != 0:
		return 0, fmt.Errorf("writable for others (mode %#o)", st.Mode&0o7777)
	}
	return st.Size, nil
}

// fileName returns the name of a key's file.
func (k key) fileName() string { return fmt.Sprintf("%x.bpf", k[:16]) }

// read reads the filter of a key.
func read(dir int, k key) (*Filter, []Warning, error) {
	fd, err := openRetry(dir, k.fileName(), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer unix.Close(fd)
	size, err := checkOwner(fd, unix.S_IFREG)
	if err != nil {
		return nil, nil, err
	}
	if size > maxFileSize {
		return nil, nil, errDamaged
	}
	b := make([]byte, size)
	if err := readFull(fd, b); err != nil {
		return nil, nil, err
	}
	return decode(k, b)
}

// readFull fills b. It makes the system calls itself: package os would ready
// the Go runtime's poller for a file that was opened with O_NONBLOCK.
func readFull(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Read(fd, b)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return os.NewSyscallError("read", err)
		case n == 0:
			return errDamaged
		default:
			b = b[n:]
		}
	}
	return nil
}
