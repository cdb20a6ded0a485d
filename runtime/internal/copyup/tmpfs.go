package copyup

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
)

// NewTmpfs makes a tmpfs as Mount does.
func NewTmpfs(source, data string) (*os.File, error) {
	fd, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fsopen", err)
	}
	context := os.NewFile(uintptr(fd), "fscontext")
	defer context.Close()
	return Mount(context, source, data)
}

// Mount makes a file system of a context of fsopen(2). It is mounted nowhere;
// move_mount(2) can attach it. source is its name in mountinfo, and data are
// its options, separated by commas as for mount(2). The result is the root
// directory, open with O_PATH. The caller closes both files; the file system
// ends with the result unless it has been attached. Errors quote what the
// kernel says about an option.
func Mount(context *os.File, source, data string) (*os.File, error) {
	fd := int(context.Fd())
	if err := unix.FsconfigSetString(fd, "source", source); err != nil {
		return nil, contextError(context, "fsconfig(source)", err)
	}
	for _, o := range options(data) {
		if err := o.set(fd); err != nil {
			return nil, contextError(context, "fsconfig("+o.name+")", err)
		}
	}
	if err := unix.FsconfigCreate(fd); err != nil {
		return nil, contextError(context, "fsconfig", err)
	}
	mount, err := unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return nil, contextError(context, "fsmount", err)
	}
	return os.NewFile(uintptr(mount), source), nil
}

// option is one option of a file system.
type option struct {
	name, value string
	bare        bool // a word without a value
}

func (o option) set(fd int) error {
	if o.bare {
		return unix.FsconfigSetFlag(fd, o.name)
	}
	return unix.FsconfigSetString(fd, o.name, o.value)
}

// options splits options as the kernel does for mount(2): a comma before a
// digit belongs to the value, as in "mpol=bind:0,2" (mm/shmem.c).
func options(data string) []option {
	var words []string
	for word := range strings.SplitSeq(data, ",") {
		if n := len(words); n > 0 && word != "" && word[0] >= '0' && word[0] <= '9' {
			words[n-1] += "," + word
		} else if word != "" {
			words = append(words, word)
		}
	}
	list := make([]option, len(words))
	for i, word := range words {
		name, value, ok := strings.Cut(word, "=")
		list[i] = option{name: name, value: value, bare: !ok}
	}
	return list
}

// given says whether the options name one.
func given(data, name string) bool {
	for _, o := range options(data) {
		if o.name == name {
			return true
		}
	}
	return false
}

// contextError adds to an error the messages of the kernel, which can be read
// from the context and begin with "e ", "w " or "i ".
func contextError(context *os.File, call string, err error) error {
	var messages []string
	buf := make([]byte, 1024)
	for {
		var n int
		if sys.Retry(func() (err error) {
			n, err = unix.Read(int(context.Fd()), buf)
			return err
		}) != nil { // ENODATA: there are no more
			break
		}
		if _, text, ok := strings.Cut(strings.TrimSpace(string(buf[:n])), " "); ok {
			messages = append(messages, text)
		}
	}
	if messages == nil {
		return os.NewSyscallError(call, err)
	}
	return os.NewSyscallError(call, fmt.Errorf("%w: %s", err, strings.Join(messages, "; ")))
}
