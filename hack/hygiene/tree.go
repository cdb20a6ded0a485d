// Package hygiene turns the repository's conventions into tests: package
// documentation, sizes, what may import what, what only some files may do.
// It reads source and never builds it, so that it sees every build tag.
package hygiene

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// modulePath is the import path of the repository's top directory.
const modulePath = "github.com/ocikit/ocikit"

// file is one parsed Go file of the repository.
type file struct {
	Path    string // from the top directory, with slashes
	Dir     string // the same, of its directory
	Text    string
	Lines   int
	Imports []string
	Syntax  *ast.File
	Set     *token.FileSet
}

// Test reports whether the file holds tests.
func (f *file) Test() bool { return strings.HasSuffix(f.Path, "_test.go") }

// at names a place in the file for a message.
func (f *file) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.Path, f.Set.Position(n.Pos()).Line)
}

// imported returns the path of the package that the file calls name, or "".
func (f *file) imported(name string) string {
	for i, spec := range f.Syntax.Imports {
		path := f.Imports[i]
		if spec.Name != nil && spec.Name.Name == name ||
			spec.Name == nil && path[strings.LastIndex(path, "/")+1:] == name {
			return path
		}
	}
	return ""
}

// load parses every Go file under top, except testdata and hidden directories.
func load(top string) ([]*file, error) {
	var files []*file
	err := filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() {
			if name != top && (base == "testdata" || strings.HasPrefix(base, ".")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") {
			return nil
		}
		f, err := parse(top, name)
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

func parse(top, name string) (*file, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	set := token.NewFileSet()
	syntax, err := parser.ParseFile(set, name, data, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	rel, err := filepath.Rel(top, name)
	if err != nil {
		return nil, err
	}
	f := &file{
		Path:   filepath.ToSlash(rel),
		Dir:    filepath.ToSlash(filepath.Dir(rel)),
		Text:   string(data),
		Lines:  set.File(syntax.Pos()).LineCount(),
		Syntax: syntax,
		Set:    set,
	}
	for _, spec := range syntax.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
		f.Imports = append(f.Imports, path)
	}
	return f, nil
}

// readTable reads a file of "NAME REST" lines; # starts a comment line.
func readTable(text string) [][2]string {
	var rows [][2]string
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		rows = append(rows, [2]string{name, strings.TrimSpace(rest)})
	}
	return rows
}
