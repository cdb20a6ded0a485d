package hygiene

import (
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// The widths that a line may have. A tab counts four columns.
const (
	maxCode    = 100
	maxComment = 80
	maxText    = 100 // of a paragraph in Markdown
)

// TestLines keeps lines short enough to read. Generated files may be wider, and
// so may strings that hold a whole line of something, such as a golden text.
func TestLines(t *testing.T) {
	for _, f := range mustLoad(t) {
		if ast.IsGenerated(f.Syntax) {
			continue
		}
		for _, problem := range wideLines(f) {
			t.Error(problem)
		}
	}
}

// wideLines lists the lines of a Go file that are too wide.
func wideLines(f *file) (problems []string) {
	comments, strs := commentLines(f), stringLines(f)
	for i, line := range strings.Split(f.Text, "\n") {
		n := columns(line)
		limit, what, cure := maxCode, "code", "break the line"
		if comments[i+1] {
			limit, what, cure = maxComment, "a comment", "wrap the paragraph"
			if isTable(line) {
				continue
			}
		}
		if n > limit && !strs[i+1] && !strings.Contains(line, "://") {
			problems = append(problems, fmt.Sprintf("%s:%d: %d columns; the limit for %s is %d: %s",
				f.Path, i+1, n, what, limit, cure))
		}
	}
	return problems
}

// commentLines returns the lines that hold nothing but a comment.
func commentLines(f *file) map[int]bool {
	lines := map[int]bool{}
	text := strings.Split(f.Text, "\n")
	for _, group := range f.Syntax.Comments {
		for _, c := range group.List {
			first, last := f.Set.Position(c.Pos()), f.Set.Position(c.End())
			before := text[first.Line-1][:first.Column-1]
			for n := first.Line; n <= last.Line; n++ {
				lines[n] = n > first.Line || strings.TrimSpace(before) == ""
			}
		}
	}
	return lines
}

// stringLines returns the lines whose excess is a string: one that lies across
// the limit or ends the line, or one of several lines. What an example prints
// counts as one.
func stringLines(f *file) map[int]bool {
	lines := map[int]bool{}
	text := strings.Split(f.Text, "\n")
	for _, group := range f.Syntax.Comments {
		if strings.Contains("\n"+group.Text(), "\nOutput:") {
			for n := f.Set.Position(group.Pos()).Line; n <= f.Set.Position(group.End()).Line; n++ {
				lines[n] = true
			}
		}
	}
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		first, last := f.Set.Position(lit.Pos()), f.Set.Position(lit.End())
		for n := first.Line; n < last.Line; n++ {
			lines[n] = true
		}
		line := text[last.Line-1]
		rest := strings.Trim(line[last.Column-1:], "(){}[],+: ")
		across := columns(line[:last.Column-1]) > maxCode || rest == ""
		lines[last.Line] = lines[last.Line] || first.Line < last.Line ||
			columns(line[:first.Column-1]) < maxCode && across
		return true
	})
	return lines
}

// isTable recognises a line of a table or an example in a comment: it is
// indented, or has columns.
func isTable(line string) bool {
	text := strings.TrimPrefix(strings.TrimSpace(line), "//")
	return strings.HasPrefix(text, "\t") || strings.HasPrefix(text, "  ") ||
		strings.Contains(text, " | ") || strings.HasPrefix(text, "go:")
}

// columns is the width of a line.
func columns(line string) int {
	return utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    "))
}

// link is the target of a link in Markdown.
var link = regexp.MustCompile(`\]\(([^)]*)\)`)

// pages lists the documentation that is written by hand.
func pages(t *testing.T) (names []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md", "hack/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: found %q, %v", pattern, found, err)
		}
		names = append(names, found...)
	}
	return names
}

// TestLinks follows the links from page to page.
func TestLinks(t *testing.T) {
	for _, name := range pages(t) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range link.FindAllStringSubmatch(string(data), -1) {
			target, _, _ := strings.Cut(found[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), target)); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", strings.TrimPrefix(name, top+"/"),
					found[1])
			}
		}
	}
}

// TestText keeps the lines of the documentation short enough to read and to
// compare. Tables, code and generated pages may be wider.
func TestText(t *testing.T) {
	for _, name := range pages(t) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code := false
		for i, line := range strings.Split(string(data), "\n") {
			if strings.HasPrefix(line, "```") {
				code = !code
			}
			n := columns(link.ReplaceAllString(line, "]()"))
			if n > maxText && !code && !strings.HasPrefix(line, "|") {
				t.Errorf("%s:%d: %d columns; wrap paragraphs at %d", strings.TrimPrefix(name,
					top+"/"), i+1, n, maxText)
			}
		}
	}
}
