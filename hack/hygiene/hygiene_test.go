package hygiene

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const top = "../.."

func mustLoad(t *testing.T) []*file {
	t.Helper()
	files, err := load(top)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("only %d Go files found", len(files))
	}
	return files
}

func mustTable(t *testing.T, name string) [][2]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return readTable(string(data))
}

func TestPackageDocs(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range mustLoad(t) {
		if f.Test() {
			continue
		}
		text := f.Syntax.Doc.Text()
		want := "Package " + f.Syntax.Name.Name + " "
		if f.Syntax.Name.Name == "main" {
			want = "Command "
		}
		documented[f.Dir] = documented[f.Dir] || strings.HasPrefix(text, want)
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: no package documentation that starts with \"Package NAME\" (or "+
				"\"Command NAME\")", dir)
		}
	}
}

// TestSizes: a file tells one story, and a function does one thing. At most 2%
// of the functions may be longer than 80 lines, and none longer than 120.
func TestSizes(t *testing.T) {
	const maxFile, maxFunc, longFunc, longShare = 600, 120, 80, 0.02
	var funcs, long int
	for _, f := range mustLoad(t) {
		if f.Test() {
			continue
		}
		if f.Lines > maxFile {
			t.Errorf("%s: %d lines, more than %d", f.Path, f.Lines, maxFile)
		}
		for _, d := range f.Syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			funcs++
			n := f.Set.Position(fn.End()).Line - f.Set.Position(fn.Pos()).Line + 1
			if n > maxFunc {
				t.Errorf("%s: %s has %d lines, more than %d", f.at(fn), fn.Name.Name, n, maxFunc)
			}
			if n > longFunc {
				long++
				t.Logf("%s: %s has %d lines", f.at(fn), fn.Name.Name, n)
			}
		}
	}
	if float64(long) > longShare*float64(funcs) {
		t.Errorf("%d of %d functions are longer than %d lines, more than %g%%", long, funcs,
			longFunc, 100*longShare)
	}
}

func TestUnsafeFiles(t *testing.T) {
	for _, f := range mustLoad(t) {
		name := strings.TrimSuffix(strings.TrimSuffix(f.Path, ".go"), "_test")
		if slices.Contains(f.Imports, "unsafe") && !strings.HasSuffix(name, "_unsafe") {
			t.Errorf("%s imports unsafe: only files called *_unsafe.go may", f.Path)
		}
	}
}

func TestLibrariesDoNotLog(t *testing.T) {
	for _, f := range mustLoad(t) {
		for _, path := range f.Imports {
			logs := path == "github.com/sirupsen/logrus" || path == "log" || path == "log/slog"
			if logs && !strings.HasPrefix(f.Dir, "cmd/") && !strings.HasPrefix(f.Dir, "hack/") &&
				!f.Test() {
				t.Errorf("%s imports %s: libraries return errors and warnings, only cmd/ logs",
					f.Path, path)
			}
		}
	}
}

// TestUnixDoors keeps system calls in the packages that own a kernel door. A
// package whose reason is "constants" may name the kernel's numbers and types,
// and call nothing.
func TestUnixDoors(t *testing.T) {
	const list = "testdata/unix-doors.txt"
	reasons := map[string]string{}
	for _, row := range mustTable(t, "unix-doors.txt") {
		if row[1] == "" {
			t.Errorf("%s: %s has no reason", list, row[0])
		}
		reasons[row[0]] = row[1]
	}
	used := map[string]bool{}
	for _, f := range mustLoad(t) {
		if f.Test() {
			continue
		}
		reason, listed := reasons[f.Dir]
		calls := systemCalls(f)
		if slices.Contains(f.Imports, "golang.org/x/sys/unix") || len(calls) > 0 {
			used[f.Dir] = true
		}
		if slices.Contains(f.Imports, "golang.org/x/sys/unix") && !listed {
			t.Errorf("%s imports golang.org/x/sys/unix, and %s is not in %s", f.Path, f.Dir, list)
		}
		for _, call := range calls {
			switch {
			case !listed:
				t.Errorf("%s is a system call, and %s is not in %s: use package os, or list the "+
					"package with its reason", call, f.Dir, list)
			case reason == "constants":
				t.Errorf("%s is a system call, and %s allows %s constants only", call, list, f.Dir)
			}
		}
	}
	for dir := range reasons {
		if !used[dir] {
			t.Errorf("%s: %s no longer calls the kernel: remove the line", list, dir)
		}
	}
}

// systemCalls lists the places where f calls a function of package unix or
// syscall. Conversions to their types and lookups of names are none.
func systemCalls(f *file) []string {
	harmless := []string{"Signal", "Errno", "SignalName", "SignalNum", "ErrnoName",
		"ByteSliceToString"}
	var calls []string
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, ok := sel.X.(*ast.Ident)
		if !ok || slices.Contains(harmless, sel.Sel.Name) {
			return true
		}
		if path := f.imported(pkg.Name); path == "golang.org/x/sys/unix" || path == "syscall" {
			calls = append(calls, f.at(call)+": "+pkg.Name+"."+sel.Sel.Name)
		}
		return true
	})
	return calls
}

// TestLayers checks the direction of all imports within the module against
// testdata/layers.txt, which lists the packages from the lowest up. Tests may
// look up, as long as they stay on their side.
func TestLayers(t *testing.T) {
	level := map[string]int{}
	for i, row := range mustTable(t, "layers.txt") {
		level[row[0]] = i
	}
	seen := map[string]bool{}
	for _, f := range mustLoad(t) {
		if strings.HasPrefix(f.Dir, "integration") || strings.HasPrefix(f.Dir, "hack/") {
			continue
		}
		seen[f.Dir] = true
		mine, ok := level[f.Dir]
		if !ok {
			t.Errorf("%s: package %s is not in testdata/layers.txt; place it", f.Path, f.Dir)
			continue
		}
		for _, path := range f.Imports {
			dir, ok := strings.CutPrefix(path, modulePath+"/")
			if !ok || dir == f.Dir {
				continue
			}
			theirs, ok := level[dir]
			if (!ok || theirs >= mine) && !f.Test() {
				t.Errorf("%s imports %s, which is not below it in testdata/layers.txt", f.Path, dir)
			}
			if side(f.Dir) != "" && side(dir) != "" && side(f.Dir) != side(dir) {
				t.Errorf("%s imports %s: image and runtime meet only in bundle", f.Path, dir)
			}
		}
	}
	for dir := range level {
		if !seen[dir] {
			t.Errorf("layers.txt: there is no package %s: remove the line", dir)
		}
	}
}

// side tells which of the two halves of the product a package belongs to.
func side(dir string) string {
	half, _, _ := strings.Cut(dir, "/")
	if half == "image" || half == "runtime" {
		return half
	}
	return ""
}

// forbidden lists calls that the project's rules exclude, with the reason.
var forbidden = []struct {
	pkg, name string
	tests     bool   // in tests only, otherwise outside of tests only
	except    string // the one package that may
	reason    string
}{
	{"time", "Sleep", true, "", "tests wait for the event itself: a pipe, a pidfd, a state"},
	// An OCI layout is no root file system, and has no links.
	{"os", "OpenRoot", false, "image/internal/layout",
		"os.Root refuses absolute symlinks; use bundle/inroot"},
	{"os", "OpenInRoot", false, "", "os.Root refuses absolute symlinks; use bundle/inroot"},
}

func TestForbiddenCalls(t *testing.T) {
	for _, f := range mustLoad(t) {
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if !ok {
				return true
			}
			for _, rule := range forbidden {
				if pkg.Name == rule.pkg && sel.Sel.Name == rule.name && rule.tests == f.Test() &&
					f.Dir != rule.except {
					t.Errorf("%s: %s.%s: %s", f.at(sel), rule.pkg, rule.name, rule.reason)
				}
			}
			return true
		})
	}
}

// TestNoInit: every start of the tools would pay for work in init functions.
func TestNoInit(t *testing.T) {
	for _, f := range mustLoad(t) {
		for _, d := range f.Syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: func init: construct it in main or where it is needed", f.at(fn))
			}
		}
	}
}

func TestErrorTexts(t *testing.T) {
	for _, f := range mustLoad(t) {
		if f.Test() {
			continue
		}
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 || !makesError(call.Fun) {
				return true
			}
			lit, ok := call.Args[0].(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Errorf("%s: %v", f.at(lit), err)
			}
			// its own words, by which it is known
			const runcs = "failed to connect with seccomp agent"
			if strings.Contains(strings.Replace(text, runcs, "", 1), "failed to") ||
				strings.HasSuffix(strings.TrimSuffix(text, " ."), ".") {
				t.Errorf("%s: error text %q: name the thing and the cause, no \"failed to\", no "+
					"full stop", f.at(lit), text)
			}
			return true
		})
	}
}

// makesError recognises fmt.Errorf and errors.New.
func makesError(fun ast.Expr) bool {
	sel, ok := fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := sel.X.(*ast.Ident)
	return ok && (pkg.Name == "fmt" && sel.Sel.Name == "Errorf" || pkg.Name == "errors" &&
		sel.Sel.Name == "New")
}

// TestDecisions asks for a written reason for each module that we import.
func TestDecisions(t *testing.T) {
	notes, err := filepath.Glob(filepath.Join(top, "docs/decisions/[0-9]*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var reasons strings.Builder
	for _, name := range notes {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		reasons.Write(data)
	}
	modules := requiredModules(t)
	direct := map[string]string{}
	for _, f := range mustLoad(t) {
		for _, path := range f.Imports {
			for _, m := range modules {
				if path == m || strings.HasPrefix(path, m+"/") {
					direct[m] = f.Path
				}
			}
		}
	}
	for m, user := range direct {
		if !strings.Contains(reasons.String(), "`"+m+"`") {
			t.Errorf("%s is imported by %s, and no note in docs/decisions says why `%s`", m, user,
				m)
		}
	}
	for _, m := range modules {
		if direct[m] == "" && strings.Contains(reasons.String(), "| `"+m+"` |") {
			t.Errorf("docs/decisions lists `%s`, which nothing imports: remove the line", m)
		}
	}
}

// TestSafer asks for the tests that docs/differences.md names in its table.
func TestSafer(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(top, "docs/differences.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "### Safer than runc\n")
	table, _, _ = strings.Cut(table, "\n### ")
	tests := testNames(t)
	rows := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		names := strings.Split(strings.TrimSuffix(cells[len(cells)-1], " |"), ", ")
		if len(cells) != 3 || !strings.HasPrefix(names[0], "`") {
			continue // not a row of the table
		}
		rows++
		for _, name := range names {
			if !tests(strings.Trim(name, "`")) {
				t.Errorf("docs/differences.md: there is no test %s", name)
			}
		}
	}
	if rows < 10 {
		t.Errorf("docs/differences.md: %d rows in the table \"Safer than runc\"", rows)
	}
}

// testNames returns a function that knows the tests of the tree, and the cases
// of tables of tests.
func testNames(t *testing.T) (known func(name string) bool) {
	t.Helper()
	functions, parts := map[string]bool{}, map[string]bool{}
	for _, f := range mustLoad(t) {
		if !f.Test() {
			continue
		}
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				functions[n.Name.Name] = true
			case *ast.BasicLit:
				parts[strings.ReplaceAll(strings.Trim(n.Value, `"`), " ", "_")] = true
			}
			return true
		})
	}
	return func(name string) bool {
		test, part, found := strings.Cut(name, "/")
		if test == "Script" {
			_, err := os.Stat(filepath.Join(top, "integration/testdata/script", part+".txtar"))
			return err == nil
		}
		return functions[test] && (!found || parts[part])
	}
}

// requiredModules lists the modules that go.mod requires.
func requiredModules(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(top, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	var modules []string
	for _, line := range strings.Split(string(data), "\n") {
		f := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(f) >= 2 && strings.Contains(f[0], ".") && strings.HasPrefix(f[1], "v") {
			modules = append(modules, f[0])
		}
	}
	if len(modules) == 0 {
		t.Fatal("no modules found in go.mod")
	}
	return modules
}
