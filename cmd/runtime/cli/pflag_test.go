package cli

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// addPflag defines the flags of values.add with pflag, whose behaviour callers
// know.
func (v *values) addPflag(f *pflag.FlagSet) {
	f.StringVar(&v.Text, "text", "", "a `TEXT`")
	f.StringVarP(&v.Word, "word", "w", "none", "a word")
	f.BoolVarP(&v.On, "on", "o", false, "on")
	f.BoolVarP(&v.Quiet, "quiet", "q", true, "quiet")
	f.IntVar(&v.N, "n", 0, "a number")
	f.Int64Var(&v.Big, "big", -1, "a large number")
	f.Uint16Var(&v.Small, "small", 7, "a small number")
	f.DurationVar(&v.Time, "time", 5*time.Second, "a time")
	f.StringArrayVarP(&v.Env, "env", "e", nil, "variables")
	f.StringArrayVar(&v.More, "more", nil, "more")
	f.StringSliceVarP(&v.List, "list", "l", nil, "a list")
	f.BoolP("help", "h", false, "")
}

// names are those of the flags of values.
var names = []string{"text", "word", "on", "quiet", "n", "big", "small", "time", "env", "more",
	"list"}

// sameAsPflag compares what the two parsers make of args.
func sameAsPflag(t *testing.T, args []string, interspersed bool) {
	t.Helper()
	var ours, theirs values
	var help bool
	var f FlagSet
	ours.add(&f)
	f.BoolVarP(&help, "help", "h", false, "")
	f.SetInterspersed(interspersed)
	p := pflag.NewFlagSet("", pflag.ContinueOnError)
	theirs.addPflag(p)
	p.SetInterspersed(interspersed)

	err, perr := f.Parse(args), p.Parse(args)
	if (err == nil) != (perr == nil) || err != nil && err.Error() != perr.Error() {
		t.Fatalf("%q: got %v, pflag says %v", args, err, perr)
	}
	if err != nil {
		return
	}
	if len(theirs.List) == 0 { // pflag makes an empty list of an empty value
		theirs.List = nil
	}
	if !reflect.DeepEqual(ours, theirs) {
		t.Fatalf("%q: got %+v, pflag says %+v", args, ours, theirs)
	}
	if got, want := f.Args(), p.Args(); len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Fatalf("%q: got arguments %q, pflag says %q", args, got, want)
	}
	for _, name := range names {
		if f.Changed(name) != p.Changed(name) {
			t.Fatalf("%q: --%s: got %v, pflag says %v", args, name, f.Changed(name),
				p.Changed(name))
		}
	}
}

// differs reports whether an argument is one that the parsers are meant to
// differ in: pflag ignores the flags of Go's tests, takes a byte for a letter,
// and reads lists as CSV.
func differs(arg string) bool {
	return strings.Contains(arg, "test.") || strings.ContainsAny(arg, "\"\r\n\x00") ||
		strings.ContainsFunc(arg, func(r rune) bool { return r >= 0x80 })
}

// TestLikePflag compares the parsers with random arguments.
func TestLikePflag(t *testing.T) {
	pieces := []string{
		"--", "-", "", "a", "b c", "1", "-1", "0x1f", "010", "70000", "true", "false", "maybe",
		"5s", "x=y", "1,2", ",", "=",
		"--text", "--text=", "--text=x", "--word", "--word=x y", "-w", "-wx", "-w=x", "-w=",
		"-w=-o", "--on", "--on=false", "--on=", "-o", "-o=true", "-o=",
		"-oq", "-oqw", "-qowx", "-ow=x", "-oo", "--quiet=0", "-q=x", "--n", "--n=3", "--n=x",
		"--n=9223372036854775808", "--big", "--big=-9", "--big=1_0",
		"--small", "--small=65535", "--small=-1", "--time", "--time=1h", "--time=1", "--env",
		"--env=A=1", "-e", "-eA=1", "-e=A=1", "--more=z", "--more",
		"--list", "-l1,2", "-l=3", "-l=", "--list=", "--list=a,,b", "--nope", "--nope=1", "-x",
		"-ox", "---", "--=", "--=x", "---on", "-h", "--help", "-oh", "--help=x",
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		args := make([]string, r.IntN(7))
		for i := range args {
			args[i] = pieces[r.IntN(len(pieces))]
		}
		sameAsPflag(t, args, r.IntN(2) == 0)
	}
}

// FuzzParse compares the parsers, too. Lines are arguments.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"--text\nx\n--on", "-oqwx\n-e=1\n--\n-o",
		"--n=0x10\n--time=5s\na\n--list=1,2", "-w=\n---", "-\n--=", "-ö\n\x00"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, interspersed bool) {
		args := strings.Split(s, "\n")
		for _, arg := range args {
			if differs(arg) {
				var v values
				var f FlagSet
				v.add(&f)
				f.SetInterspersed(interspersed)
				if err := f.Parse(args); err == nil && len(f.Args()) > len(args) {
					t.Errorf("%q: arguments %q", args, f.Args())
				}
				return
			}
		}
		sameAsPflag(t, args, interspersed)
	})
}
