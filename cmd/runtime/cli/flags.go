package cli

import (
	"strconv"
	"time"
)

// FlagSet is the flags of a command, and the state of their parsing. The zero
// value has none.
type FlagSet struct {
	flags       []flag
	inherited   *FlagSet // are looked up after flags
	stopAtFirst bool
	args        []string
}

// flag is one flag.
type flag struct {
	name  string
	short byte // letter, or 0
	usage string
	// dest points to the variable: one of the types that set knows.
	dest any
	// def is the value that the variable has without the flag, for help; "" if
	// that is its type's zero.
	def             string
	hidden, changed bool
}

// add adds a flag. A name or letter that is used twice is a mistake in the
// program, and panics.
func (f *FlagSet) add(dest any, name, short, def, usage string) {
	n := flag{name: name, usage: usage, dest: dest, def: def}
	if short != "" {
		n.short = short[0]
	}
	for i := range f.flags {
		if f.flags[i].name == name || n.short != 0 && f.flags[i].short == n.short {
			panic("flag --" + name + " is defined twice, or its letter")
		}
	}
	f.flags = append(f.flags, n)
}

// StringVar adds a flag --name for a text, and sets *p to the value that it
// has without it. The word in `back quotes` of the usage, one line, names the
// value in help; so with all that follow.
func (f *FlagSet) StringVar(p *string, name, value, usage string) {
	f.StringVarP(p, name, "", value, usage)
}

// StringVarP is StringVar for a flag that is also -short, a letter.
func (f *FlagSet) StringVarP(p *string, name, short, value, usage string) {
	*p = value
	f.add(p, name, short, value, usage)
}

// BoolVar adds a flag that needs no value: --name is --name=true.
func (f *FlagSet) BoolVar(p *bool, name string, value bool, usage string) {
	f.BoolVarP(p, name, "", value, usage)
}

// BoolVarP is BoolVar for a flag that is also -short, a letter.
func (f *FlagSet) BoolVarP(p *bool, name, short string, value bool, usage string) {
	*p = value
	def := ""
	if value {
		def = "true"
	}
	f.add(p, name, short, def, usage)
}

// IntVar adds a flag for a number, in the syntax of Go (0x10 is 16, 010 is 8).
func (f *FlagSet) IntVar(p *int, name string, value int, usage string) {
	*p = value
	f.add(p, name, "", number(int64(value)), usage)
}

// Int64Var adds a flag for a number of 64 bits.
func (f *FlagSet) Int64Var(p *int64, name string, value int64, usage string) {
	*p = value
	f.add(p, name, "", number(value), usage)
}

// Uint16Var adds a flag for a number from 0 to 65535.
func (f *FlagSet) Uint16Var(p *uint16, name string, value uint16, usage string) {
	*p = value
	f.add(p, name, "", number(int64(value)), usage)
}

// DurationVar adds a flag for a time such as 1.5s.
func (f *FlagSet) DurationVar(p *time.Duration, name string, value time.Duration, usage string) {
	*p = value
	def := ""
	if value != 0 {
		def = value.String()
	}
	f.add(p, name, "", def, usage)
}

// StringArrayVar adds a flag that may be given several times: each adds a text
// to *p.
func (f *FlagSet) StringArrayVar(p *[]string, name, usage string) {
	f.StringArrayVarP(p, name, "", usage)
}

// StringArrayVarP is StringArrayVar for a flag that is also -short, a letter.
func (f *FlagSet) StringArrayVarP(p *[]string, name, short, usage string) {
	*p = nil
	f.add((*array)(p), name, short, "", usage)
}

// StringSliceVarP adds a flag that may be given several times, each with texts
// between commas. A text cannot hold a comma.
func (f *FlagSet) StringSliceVarP(p *[]string, name, short, usage string) {
	*p = nil
	f.add((*slice)(p), name, short, "", usage)
}

type (
	array []string // a value is an element
	slice []string // a value is elements between commas
)

// number returns the default that help shows of a number.
func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// MarkHidden leaves a flag out of help. It panics if there is no such flag.
func (f *FlagSet) MarkHidden(name string) { f.lookup(name).hidden = true }

// SetInterspersed says whether flags may stand after arguments, which they may
// unless this is called: otherwise the first argument ends the flags.
func (f *FlagSet) SetInterspersed(yes bool) { f.stopAtFirst = !yes }

// Changed reports whether a flag was given. One that does not exist was not.
func (f *FlagSet) Changed(name string) bool {
	n := f.lookup(name)
	return n != nil && n.changed
}

// Args returns what Parse left: the arguments that are no flags.
func (f *FlagSet) Args() []string { return f.args }

// lookup returns the flag of a name, or nil.
func (f *FlagSet) lookup(name string) *flag {
	for ; f != nil; f = f.inherited {
		for i := range f.flags {
			if f.flags[i].name == name {
				return &f.flags[i]
			}
		}
	}
	return nil
}

// letter returns the flag of a letter, or nil.
func (f *FlagSet) letter(c byte) *flag {
	for ; f != nil && c != 0; f = f.inherited {
		for i := range f.flags {
			if f.flags[i].short == c {
				return &f.flags[i]
			}
		}
	}
	return nil
}

// isBool reports whether the flag, which may be nil, needs no value.
func (n *flag) isBool() bool {
	if n == nil {
		return false
	}
	_, ok := n.dest.(*bool)
	return ok
}
