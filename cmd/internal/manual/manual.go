// Package manual writes the reference of a program, as Markdown and as a manual
// page, from the commands that also make its help. It is called by tests, which
// compare the result with the files in docs. The programs do not contain it.
package manual

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Markdown returns the reference of a program: the help of each command.
func Markdown(root *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\nWritten by `make golden` out of `%[1]s --help`; do not edit.\n",
		root.Name())
	for _, cmd := range commands(root) {
		if cmd != root {
			fmt.Fprintf(&b, "\n## %s\n", cmd.CommandPath())
		}
		fmt.Fprintf(&b, "\n```text\n%s```\n", cli.Help(cmd))
	}
	return b.String()
}

// Page returns the manual page of a program in section 1, man(7). related are
// other pages of that section.
func Page(root *cobra.Command, related ...string) string {
	name := root.Name()
	var b strings.Builder
	fmt.Fprintf(&b, ".\\\" Written by \"make golden\" out of \"%s --help\"; do not edit.\n", name)
	fmt.Fprintf(&b, ".TH %s 1\n.nh\n.ad l\n.SH NAME\n%s \\- %s\n", strings.ToUpper(name), name,
		escape(root.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n[flags] command [flags] [argument ...]\n", name)
	b.WriteString(".SH DESCRIPTION\n" + text(root.Long) + ".SH OPTIONS\n" + flags(root))
	b.WriteString(".SH COMMANDS\n")
	for _, cmd := range commands(root)[1:] {
		fmt.Fprintf(&b, ".SS %s\n%s", escape(cmd.UseLine()), text(cmp.Or(cmd.Long, cmd.Short)))
		if len(cmd.Aliases) > 0 {
			fmt.Fprintf(&b, ".PP\nAlias: %s\n", strings.Join(cmd.Aliases, ", "))
		}
		b.WriteString(flags(cmd))
		if cmd.Example != "" {
			b.WriteString(".PP\nExamples:\n" + text(cmd.Example))
		}
	}
	b.WriteString(".SH SEE ALSO\n")
	for i, page := range related {
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, ".BR %s (1)\n", page)
	}
	return b.String()
}

// commands returns a program and its commands, except help.
func commands(root *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{root}
	for _, cmd := range root.Commands() {
		if cmd.IsAvailableCommand() {
			list = append(list, cmd)
		}
	}
	return list
}

// flags lists the flags that only this command has.
func flags(cmd *cobra.Command) string {
	var b strings.Builder
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" && cmd.HasParent() {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		b.WriteString(".TP\n")
		if f.Shorthand != "" {
			fmt.Fprintf(&b, "\\fB\\-%s\\fR, ", f.Shorthand)
		}
		fmt.Fprintf(&b, "\\fB\\-\\-%s\\fR", escape(f.Name))
		if value != "" {
			fmt.Fprintf(&b, " \\fI%s\\fR", escape(value))
		}
		b.WriteString("\n" + escape(usage))
		if f.DefValue != "" && f.DefValue != "0" && f.DefValue != "false" && f.DefValue != "[]" {
			b.WriteString(" (default " + escape(f.DefValue) + ")")
		}
		b.WriteString("\n")
	})
	return b.String()
}

// text formats paragraphs. Lines that are indented stay as they are.
func text(s string) string {
	var b strings.Builder
	for paragraph := range strings.SplitSeq(s, "\n\n") {
		lines := escape(paragraph) + "\n"
		if strings.HasPrefix(paragraph, "  ") {
			lines = ".nf\n" + lines + ".fi\n"
		}
		b.WriteString(".PP\n" + lines)
	}
	return b.String()
}

// escape writes text so that it is printed as it is: see groff_char(7).
func escape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, `"`, `\(dq`, "^", `\(ha`,
		"~", `\(ti`, "`", `\(ga`).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return strings.ReplaceAll(s, "\n.", "\n\\&.")
}
