package hygiene

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// TestPublic keeps types of internal packages out of what a program sees of the
// packages that it may import: those without internal in their path, and not
// below cmd, hack or integration.
func TestPublic(t *testing.T) {
	packages := map[string][]*file{}
	for _, f := range mustLoad(t) {
		if public(f.Dir) && !f.Test() {
			packages[f.Dir] = append(packages[f.Dir], f)
		}
	}
	for _, files := range packages {
		for _, leak := range leaks(files) {
			t.Errorf("%s: a program that imports %s can't name that type: give it one of this "+
				"package", leak, files[0].Dir)
		}
	}
}

// public reports whether other modules may import a package.
func public(dir string) bool {
	parts := strings.Split(dir, "/")
	return !slices.Contains(parts, "internal") &&
		!slices.Contains([]string{"cmd", "hack", "integration"}, parts[0])
}

// api looks at the exported declarations of a package, and at the types of the
// package that they mention.
type api struct {
	types   map[string]declared
	methods map[string][]declared
	seen    map[string]bool
	leaks   []string
}

// declared is a type, or the signature of a function, and the file that it is
// in.
type declared struct {
	*file
	name string
	ast.Expr
}

// leaks lists the places where an exported declaration of a package mentions an
// internal one.
func leaks(files []*file) []string {
	a := &api{map[string]declared{}, map[string][]declared{}, map[string]bool{}, nil}
	var exported []declared
	for _, f := range files {
		for _, d := range f.Syntax.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				one := declared{f, d.Name.Name, d.Type}
				if !d.Name.IsExported() {
					continue
				}
				if d.Recv == nil {
					exported = append(exported, one)
				} else {
					of := receiver(d.Recv.List[0].Type)
					one.name = of + "." + one.name
					a.methods[of] = append(a.methods[of], one)
				}
			case *ast.GenDecl:
				exported = append(exported, a.declare(f, d)...)
			}
		}
	}
	for _, d := range exported {
		a.visit(d)
	}
	return a.leaks
}

// declare notes the types of a declaration, and returns what is exported.
func (a *api) declare(f *file, d *ast.GenDecl) (exported []declared) {
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			a.types[s.Name.Name] = declared{f, s.Name.Name, s.Type}
			if s.Name.IsExported() {
				exported = append(exported, declared{f, s.Name.Name, s.Name})
			}
		case *ast.ValueSpec:
			for i, name := range s.Names {
				switch {
				case !name.IsExported():
				case s.Type != nil:
					exported = append(exported, declared{f, name.Name, s.Type})
				case i < len(s.Values) && !strings.HasPrefix(name.Name, "Err"): // of type error
					exported = append(exported, declared{f, name.Name, s.Values[i]})
				}
			}
		}
	}
	return exported
}

// visit looks for internal packages in a type or value, and follows types of
// the same package to where they are declared.
func (a *api) visit(d declared) {
	ast.Inspect(d.Expr, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if pkg, ok := n.X.(*ast.Ident); ok {
				if path := d.imported(pkg.Name); strings.Contains(path+"/", "/internal/") {
					a.leaks = append(a.leaks, d.at(n)+": "+d.name+" mentions "+pkg.Name+"."+
						n.Sel.Name+" of "+path)
				}
			}
			return false
		case *ast.StructType:
			for _, field := range n.Fields.List {
				if len(field.Names) == 0 || slices.ContainsFunc(field.Names,
					(*ast.Ident).IsExported) {
					a.visit(declared{d.file, d.name, field.Type})
				}
			}
			return false
		case *ast.InterfaceType:
			for _, method := range n.Methods.List {
				if len(method.Names) == 0 || method.Names[0].IsExported() {
					a.visit(declared{d.file, d.name, method.Type})
				}
			}
			return false
		case *ast.FuncLit:
			a.visit(declared{d.file, d.name, n.Type})
			return false
		case *ast.Ident:
			if named, ok := a.types[n.Name]; ok && !a.seen[n.Name] {
				a.seen[n.Name] = true
				a.visit(named)
				for _, m := range a.methods[n.Name] {
					a.visit(m)
				}
			}
		}
		return true
	})
}

// receiver is the name of a method's type.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
