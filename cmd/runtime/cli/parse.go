package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Parse sets the variables of the flags in args, which are those after the
// command's name: --name VALUE, --name=VALUE, -n VALUE, -nVALUE, -n=VALUE, and
// for booleans --name, --name=false, and letters after one dash (-it); what
// follows "--" are arguments. It stops at the first error, and leaves the
// variables as they are then. The texts of errors are those that callers of
// runc and of earlier releases know.
func (f *FlagSet) Parse(args []string) error {
	f.args = nil
	for len(args) > 0 {
		arg := args[0]
		var err error
		switch {
		case arg == "--":
			f.keep(args[1:])
			return nil
		case len(arg) < 2 || arg[0] != '-':
			if f.stopAtFirst {
				f.keep(args)
				return nil
			}
			f.args = append(f.args, arg)
			args = args[1:]
		case arg[1] == '-':
			args, err = f.parseName(arg[2:], args[1:])
		default:
			args, err = f.parseLetters(arg[1:], args[1:])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keep makes arguments of args, without a copy if it can.
func (f *FlagSet) keep(args []string) {
	if f.args == nil {
		f.args = args[:len(args):len(args)]
		return
	}
	f.args = append(f.args, args...)
}

// parseName sets the flag of s, an argument without its two dashes. It returns
// what is left of the arguments that follow.
func (f *FlagSet) parseName(s string, rest []string) ([]string, error) {
	if s[0] == '-' || s[0] == '=' {
		return nil, errors.New("bad flag syntax: --" + s)
	}
	name, value, given := strings.Cut(s, "=")
	n := f.lookup(name)
	switch {
	case n == nil:
		return nil, errors.New("unknown flag: --" + name)
	case given:
	case n.isBool():
		value = "true"
	case len(rest) == 0:
		return nil, errors.New("flag needs an argument: --" + name)
	default:
		value, rest = rest[0], rest[1:]
	}
	return rest, n.set(value)
}

// parseLetters sets the flags of s, an argument without its dash. It returns
// what is left of the arguments that follow.
func (f *FlagSet) parseLetters(s string, rest []string) ([]string, error) {
	for s != "" {
		n := f.letter(s[0])
		var value string
		switch {
		case n == nil:
			c, _ := utf8.DecodeRuneInString(s)
			return nil, fmt.Errorf("unknown shorthand flag: %q in -%s", c, s)
		case len(s) > 2 && s[1] == '=':
			value, s = s[2:], ""
		case n.isBool():
			value, s = "true", s[1:]
		case len(s) > 1:
			value, s = s[1:], ""
		case len(rest) > 0:
			value, s = rest[0], ""
			rest = rest[1:]
		default:
			return nil, fmt.Errorf("flag needs an argument: %q in -%s", s[0], s)
		}
		if err := n.set(value); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// set sets the variable of a flag.
func (n *flag) set(value string) error {
	var err error
	switch p := n.dest.(type) {
	case *string:
		*p = value
	case *bool:
		*p, err = strconv.ParseBool(value)
	case *int:
		*p, err = parseInt(value)
	case *int64:
		*p, err = strconv.ParseInt(value, 0, 64)
	case *uint16:
		var u uint64
		u, err = strconv.ParseUint(value, 0, 16)
		*p = uint16(u)
	case *time.Duration:
		*p, err = time.ParseDuration(value)
	case *array:
		*p = append(*p, value)
	case *slice:
		if value != "" {
			*p = append(*p, strings.Split(value, ",")...)
		}
	}
	if err != nil {
		name := "--" + n.name
		if n.short != 0 {
			name = "-" + string(rune(n.short)) + ", " + name
		}
		return fmt.Errorf("invalid argument %q for %q flag: %w", value, name, err)
	}
	n.changed = true
	return nil
}

func parseInt(s string) (int, error) {
	n, err := strconv.ParseInt(s, 0, strconv.IntSize)
	return int(n), err
}
