// Package mountopt reads the mount options of config.json: those of mount(8)
// that do not depend on the file system, the recursive ones of
// mount_setattr(2), propagation, and the runtime's own
// (config.md#linux-mount-options). It turns words into flags and mounts
// nothing.
package mountopt

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/nearest"
)

// Parsed is what a list of mount options means. If options contradict each
// other, the later one counts.
type Parsed struct {
	// Set and Clear are the MS_* flags of mount(2) that the options turn on
	// ("ro") and off ("rw"). They never overlap. Bind, recursion and
	// propagation are not among them.
	Set, Clear uintptr
	// Propagation holds one mount(2) call's flags for each propagation option,
	// in order: MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE, with MS_REC
	// for the recursive ones.
	Propagation []uintptr
	// RecAttrSet and RecAttrClr are the MOUNT_ATTR_* bits of the recursive
	// options ("rro", "rnosuid", …), for mount_setattr(2) with AT_RECURSIVE.
	RecAttrSet, RecAttrClr uint64
	// Data holds the options that belong to the file system, joined by commas.
	// It is empty for bind mounts.
	Data string
	// Bind says that this is a bind mount, Recursive that it is "rbind".
	Bind, Recursive bool
	// TmpCopyUp asks to copy what the destination holds into the new tmpfs.
	TmpCopyUp bool
	// IDMap asks for an id-mapped mount, RIDMap also for all mounts below it.
	IDMap, RIDMap bool
}

// Remount says that the options change an existing mount ("remount").
func (p Parsed) Remount() bool { return p.Set&unix.MS_REMOUNT != 0 }

// attributes pairs the flags of mount(2) that belong to one mount, and not to a
// superblock, with those of mount_setattr(2). Access times are not among them.
var attributes = [...]struct {
	flag uintptr
	attr uint64
}{
	{unix.MS_RDONLY, unix.MOUNT_ATTR_RDONLY}, {unix.MS_NOSUID, unix.MOUNT_ATTR_NOSUID},
	{unix.MS_NODEV, unix.MOUNT_ATTR_NODEV},
	{unix.MS_NOEXEC, unix.MOUNT_ATTR_NOEXEC}, {unix.MS_NOSYMFOLLOW, unix.MOUNT_ATTR_NOSYMFOLLOW},
}

// Attributes returns Set and Clear as MOUNT_ATTR_* bits, for mount_setattr(2)
// on one mount. If an option turns on a way of keeping access times, all of
// MOUNT_ATTR__ATIME is in clear, as the call demands. Otherwise access times
// stay as they are, as with a remount (mount(2)).
func (p Parsed) Attributes() (set, clear uint64) {
	for _, a := range attributes {
		if p.Set&a.flag != 0 {
			set |= a.attr
		}
		if p.Clear&a.flag != 0 {
			clear |= a.attr
		}
	}
	if !p.choosesAtime() {
		return set, clear
	}
	clear |= unix.MOUNT_ATTR__ATIME
	switch {
	case p.Set&unix.MS_STRICTATIME != 0:
		set |= unix.MOUNT_ATTR_STRICTATIME
	case p.Set&unix.MS_NOATIME != 0:
		set |= unix.MOUNT_ATTR_NOATIME
	}
	if p.Set&unix.MS_NODIRATIME != 0 {
		set |= unix.MOUNT_ATTR_NODIRATIME
	}
	if p.Clear&unix.MS_NODIRATIME != 0 {
		clear |= unix.MOUNT_ATTR_NODIRATIME
	}
	return set, clear
}

// choosesAtime says whether the options turn on a way of keeping access times.
func (p Parsed) choosesAtime() bool { return p.Set&(msAtime|unix.MS_NODIRATIME) != 0 }

// Unasked returns the MOUNT_ATTR_* bits that a bind mount must drop: its source
// may have them, and no option asks for them. Without any option about flags
// there are none, and the mount is like its source. With such an option the
// mount has just what the options ask for, as with runc and with a remount
// (mount(2)).
func (p Parsed) Unasked() (attr uint64) {
	if p.Set&^unix.MS_REMOUNT|p.Clear == 0 {
		return 0
	}
	for _, a := range attributes {
		if (p.Set|p.Clear)&a.flag == 0 {
			attr |= a.attr
		}
	}
	if p.choosesAtime() && (p.Set|p.Clear)&unix.MS_NODIRATIME == 0 {
		attr |= unix.MOUNT_ATTR_NODIRATIME
	}
	return attr
}

// Problem is what is wrong with an option.
type Problem struct {
	Index int    // of the option in the list, or -1 for all of them together
	Cause string // what is wrong
	Cure  string // what to do about it, or empty
}

// Error names the option, the cause and the cure.
func (p Problem) Error() string {
	text := "options: " + p.Cause
	if p.Index >= 0 {
		text = fmt.Sprintf("options[%d]: %s", p.Index, p.Cause)
	}
	if p.Cure != "" {
		text += " (" + p.Cure + ")"
	}
	return text
}

// maxData is how many bytes of file system options the kernel takes: a page,
// with the zero byte at their end (mount(2)).
const maxData = 4096 - 1

// Parse reads the options of one mount. The mount is a bind mount if an option
// says so or if bind is true (its type is "bind"). An unknown option belongs to
// the file system. A bind mount makes no file system, so there it is a problem.
// Parse returns all problems; Parsed is of use only if there are none.
func Parse(options []string, bind bool) (Parsed, []Problem) {
	p := Parsed{Bind: bind}
	for _, o := range options {
		p.Bind = p.Bind || o == "bind" || o == "rbind"
	}
	var (
		problems []Problem
		data     []string
	)
	for i, o := range options {
		e, known := lookup(o)
		switch {
		case known:
			p.apply(e)
		case o == "" || comment(o):
		case !p.Bind:
			data = append(data, o)
		default:
			cause, cure := refuse(o)
			problems = append(problems, Problem{Index: i, Cause: cause, Cure: cure})
		}
	}
	p.Data = strings.Join(data, ",")
	if len(p.Data) > maxData {
		problems = append(problems, Problem{
			Index: -1,
			Cause: fmt.Sprintf("%d bytes of options for the file system, and the kernel takes %d",
				len(p.Data), maxData),
		})
	}
	return p, problems
}

// comment says whether an option is for programs that read fstab (mount(8)).
func comment(option string) bool {
	return strings.HasPrefix(option, "x-") || strings.HasPrefix(option, "X-") ||
		strings.HasPrefix(option, "comment=")
}

// Misspelt returns the known option that an unknown one was probably meant to
// be, or "". It is for mounts of file systems, which have options of their own:
// short ones ("uid") and those with values are probably right.
func Misspelt(option string) string {
	if _, known := lookup(option); known || len(option) < 4 || strings.Contains(option, "=") ||
		comment(option) {
		return ""
	}
	return nearest.To(option, Names())
}

// refuse returns the problem with an unknown option of a bind mount.
func refuse(option string) (cause, cure string) {
	cause = fmt.Sprintf("unknown option %q", option)
	if strings.Contains(option, ",") {
		return cause, "write each option as a string of its own"
	}
	if near := nearest.To(option, Names()); near != "" {
		return cause, fmt.Sprintf("did you mean %q?", near)
	}
	return cause, "a bind mount has no file system to pass it to"
}
