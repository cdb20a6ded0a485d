// Package mountopt knows the mount options of config.json: those of mount(8)
// that do not depend on the file system, the recursive ones of mount_setattr(2),
// propagation, and the runtime's own (config.md#linux-mount-options). It is
// pure: it turns words into flags and mounts nothing.
package mountopt

import (
	"fmt"
	"strings"
)

// Parsed is what a list of mount options means. Where options contradict each
// other, the later one counts.
type Parsed struct {
	// Set and Clear are MS_* flags of mount(2) that were asked for and that
	// were asked to be off ("rw", "suid", …). They never overlap. Bind,
	// recursion and propagation are not among them.
	Set, Clear uintptr
	// Propagation holds one mount(2) call's flags for each propagation option,
	// in order: MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE, with MS_REC
	// for the recursive ones.
	Propagation []uintptr
	// AttrSet and AttrClr say what Set and Clear say, for mount_setattr(2) on
	// the one mount: MOUNT_ATTR_* bits. Options about access times put the
	// whole of MOUNT_ATTR__ATIME into AttrClr, as the call demands. Options
	// of the superblock ("sync", "lazytime", …) are in Set and Clear only.
	AttrSet, AttrClr uint64
	// RecAttrSet and RecAttrClr are those of the recursive options ("rro",
	// "rnosuid", …), for mount_setattr(2) with AT_RECURSIVE.
	RecAttrSet, RecAttrClr uint64
	// Data holds the options that belong to the file system, joined by commas.
	// It is empty for bind mounts.
	Data string
	// Bind says that this is a bind mount, Recursive that it is "rbind".
	Bind, Recursive bool
	// TmpCopyUp asks to copy what the destination holds into the new tmpfs.
	TmpCopyUp bool
	// IDMap and RIDMap ask for an id-mapped mount, of the one mount or of
	// everything below it.
	IDMap, RIDMap bool
}

// Problem is an option that cannot be honoured.
type Problem struct {
	Index  int    // its place in the list of options
	Option string // its text
	Cause  string // what is wrong
	Cure   string // what to do about it, or empty
}

// Error names the option, the cause and the cure.
func (p Problem) Error() string {
	if p.Cure == "" {
		return fmt.Sprintf("options[%d]: %s", p.Index, p.Cause)
	}
	return fmt.Sprintf("options[%d]: %s (%s)", p.Index, p.Cause, p.Cure)
}

// Parse reads the options of one mount. The mount is a bind mount if an option
// says so or if bind is true (its type is "bind"). An option that is not in
// the table belongs to the file system, and there is none behind a bind mount,
// so there it is a problem. All problems are returned; Parsed is of use only
// if there are none.
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
		case !p.Bind:
			data = append(data, o)
		default:
			problems = append(problems, Problem{Index: i, Option: o, Cause: fmt.Sprintf("unknown option %q", o)})
		}
	}
	p.Data = strings.Join(data, ",")
	return p, problems
}
