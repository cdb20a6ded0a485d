package cli

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// helpName is the name of the command and of the flag.
const helpName = "help"

// addHelpFlag gives the command the flag that each has.
func (c *Command) addHelpFlag() {
	if c.flags.lookup(helpName) == nil {
		c.flags.BoolVarP(&c.help, helpName, "h", false, "")
	}
}

// Help prints what the command does and how it is used.
func (c *Command) Help(w io.Writer) error {
	c.addHelpFlag()
	var b strings.Builder
	text := c.Long
	if text == "" {
		text = c.Short
	}
	b.WriteString(text + "\n\nUsage:\n  " + c.UseLine() + "\n")
	if len(c.commands) > 0 {
		b.WriteString("  " + c.CommandPath() + " [command]\n")
	}
	if len(c.Aliases) > 0 {
		b.WriteString("\nAliases:\n  " + c.Name() + ", " + strings.Join(c.Aliases, ", ") + "\n")
	}
	if len(c.commands) > 0 {
		b.WriteString("\nAvailable Commands:\n")
		writeCommands(&b, c.commands)
	}
	if c.parent == nil {
		c.writeFlags(&b, "Flags", slices.Concat(c.flags.flags, c.globals.flags))
	} else {
		c.writeFlags(&b, "Flags", c.flags.flags)
		c.writeFlags(&b, "Global Flags", slices.DeleteFunc(slices.Clone(c.parent.globals.flags),
			c.replaces))
	}
	if len(c.commands) > 0 {
		b.WriteString("\nUse \"" + c.CommandPath() + " [command] --help\" for more information " +
			"about a command.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// replaces reports whether the command has a flag of its own with the name of a
// global one.
func (c *Command) replaces(global flag) bool {
	return slices.ContainsFunc(c.flags.flags, func(n flag) bool { return n.name == global.name })
}

// writeCommands lists commands by name.
func writeCommands(b *strings.Builder, commands []*Command) {
	width := 11
	for _, cmd := range commands {
		width = max(width, len(cmd.Name()))
	}
	sorted := slices.SortedFunc(slices.Values(commands), func(x, y *Command) int {
		return strings.Compare(x.Name(), y.Name())
	})
	for _, cmd := range sorted {
		name := cmd.Name()
		b.WriteString("  " + name + strings.Repeat(" ", width-len(name)+1) + cmd.Short + "\n")
	}
}

// writeFlags lists flags by name under a title, which it leaves out with an
// empty list. Widths are in bytes.
func (c *Command) writeFlags(b *strings.Builder, title string, flags []flag) {
	sorted := slices.SortedFunc(slices.Values(flags),
		func(x, y flag) int { return strings.Compare(x.name, y.name) })
	sorted = slices.DeleteFunc(sorted, func(n flag) bool { return n.hidden })
	if len(sorted) == 0 {
		return
	}
	b.WriteString("\n" + title + ":\n")
	width := 0
	for i := range sorted {
		if sorted[i].dest == &c.help {
			sorted[i].usage = "help for " + c.Name()
		}
		left, _ := sorted[i].describe()
		width = max(width, len(left))
	}
	for i := range sorted {
		left, right := sorted[i].describe()
		b.WriteString(left + strings.Repeat(" ", width-len(left)+3) + right + "\n")
	}
}

// describe returns the two columns of a flag in help.
func (n *flag) describe() (left, right string) {
	left = "      --" + n.name
	if n.short != 0 {
		left = "  -" + string(rune(n.short)) + ", --" + n.name
	}
	value := typeName(n.dest)
	right = n.usage
	if before, rest, ok := strings.Cut(n.usage, "`"); ok {
		if quoted, after, ok := strings.Cut(rest, "`"); ok {
			value, right = quoted, before+quoted+after
		}
	}
	if value != "" {
		left += " " + value
	}
	if n.def != "" {
		def := n.def
		if _, ok := n.dest.(*string); ok {
			def = strconv.Quote(def)
		}
		right += " (default " + def + ")"
	}
	return left, right
}

// typeName is how help calls a value that the usage does not name.
func typeName(dest any) string {
	switch dest.(type) {
	case *bool:
		return ""
	case *int, *int64:
		return "int"
	case *uint16:
		return "uint16"
	case *time.Duration:
		return "duration"
	case *array:
		return "stringArray"
	case *slice:
		return "strings"
	}
	return "string"
}
