package cli

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// values are the variables of the flags of every type.
type values struct {
	Text, Word string
	On, Quiet  bool
	N          int
	Big        int64
	Small      uint16
	Time       time.Duration
	Env, More  []string
	List       []string
}

func (v *values) add(f *FlagSet) {
	f.StringVar(&v.Text, "text", "", "a `TEXT`")
	f.StringVarP(&v.Word, "word", "w", "none", "a word")
	f.BoolVarP(&v.On, "on", "o", false, "on")
	f.BoolVarP(&v.Quiet, "quiet", "q", true, "quiet")
	f.IntVar(&v.N, "n", 0, "a number")
	f.Int64Var(&v.Big, "big", -1, "a large number")
	f.Uint16Var(&v.Small, "small", 7, "a small number")
	f.DurationVar(&v.Time, "time", 5*time.Second, "a time")
	f.StringArrayVarP(&v.Env, "env", "e", "variables")
	f.StringArrayVar(&v.More, "more", "more")
	f.StringSliceVarP(&v.List, "list", "l", "a list")
}

// defaults are the values without a flag.
func defaults() values {
	return values{Word: "none", Quiet: true, Big: -1, Small: 7, Time: 5 * time.Second}
}

func TestParse(t *testing.T) {
	tests := []struct {
		name, args string // %s of args is an empty argument
		want       func(v *values)
		rest       string
		err        string
	}{
		{"nothing", "", func(*values) {}, "", ""},
		{"value after a space", "--text x y", func(v *values) { v.Text = "x" }, "y", ""},
		{"value after =", "--text=x=y", func(v *values) { v.Text = "x=y" }, "", ""},
		{"no value after =", "--word= --text %s", func(v *values) { v.Word = "" }, "", ""},
		{"value like a flag", "--text --on", func(v *values) { v.Text = "--on" }, "", ""},
		{"letter and value", "-w x", func(v *values) { v.Word = "x" }, "", ""},
		{"letter joined", "-wx", func(v *values) { v.Word = "x" }, "", ""},
		{"letter and =", "-w=x", func(v *values) { v.Word = "x" }, "", ""},
		{"letter and = only", "-w=", func(v *values) { v.Word = "=" }, "", ""},
		{"booleans joined", "-oq", func(v *values) { v.On = true }, "", ""},
		{"boolean joined with a value", "-owx", func(v *values) { v.On, v.Word = true, "x" }, "",
			""},
		{"boolean and the next value", "-ow x y", func(v *values) { v.On, v.Word = true, "x" }, "y",
			""},
		{"boolean false", "--quiet=false --on=1", func(v *values) { v.On, v.Quiet = true, false },
			"", ""},
		{"letter false", "-q=0", func(v *values) { v.Quiet = false }, "", ""},
		{"boolean takes no argument", "--on false", func(v *values) { v.On = true }, "false", ""},
		{"the last counts", "--text a --text b", func(v *values) { v.Text = "b" }, "", ""},
		{"numbers", "--n=-3 --big 0x10 --small 65535", func(v *values) {
			v.N, v.Big, v.Small = -3,
				16, 65535
		}, "", ""},
		{"time", "--time 1m30s", func(v *values) { v.Time = 90 * time.Second }, "", ""},
		{"array", "-e a=1,2 --env b --more c -ed", func(v *values) {
			v.Env,
				v.More = []string{"a=1,2", "b", "d"}, []string{"c"}
		}, "", ""},
		{"list", "-l 1,2 --list= --list 3", func(v *values) { v.List = []string{"1", "2", "3"} },
			"", ""},
		{"between arguments", "a --on b -w c d", func(v *values) { v.On, v.Word = true, "c" },
			"a b d", ""},
		{"two dashes", "a --on -- --text b --", func(v *values) { v.On = true }, "a --text b --",
			""},
		{"one dash", "- --on", func(v *values) { v.On = true }, "-", ""},
		{"unknown", "--on --nope", nil, "", "unknown flag: --nope"},
		{"unknown with value", "--nope=x", nil, "", "unknown flag: --nope"},
		{"part of a name", "--tex x", nil, "", "unknown flag: --tex"},
		{"unknown letter", "-x", nil, "", "unknown shorthand flag: 'x' in -x"},
		{"unknown letter after others", "-oxy", nil, "", "unknown shorthand flag: 'x' in -xy"},
		{"unknown letter with accent", "-ö", nil, "", "unknown shorthand flag: 'ö' in -ö"},
		{"boolean letter and = only", "-o=", nil, "", "unknown shorthand flag: '=' in -="},
		{"a NUL is no letter", "-\x00", nil, "", `unknown shorthand flag: '\x00' in -` + "\x00"},
		{"value missing", "--text", nil, "", "flag needs an argument: --text"},
		{"value of a letter missing", "-ow", nil, "", "flag needs an argument: 'w' in -w"},
		{"three dashes", "---on", nil, "", "bad flag syntax: ---on"},
		{"no name", "--=x", nil, "", "bad flag syntax: --=x"},
		{"no boolean", "--on=maybe", nil, "",
			`invalid argument "maybe" for "-o, --on" flag: strconv.ParseBool: parsing "maybe": invalid syntax`},
		{"no number", "--n x", nil, "",
			`invalid argument "x" for "--n" flag: strconv.ParseInt: parsing "x": invalid syntax`},
		{"too large", "--small 65536", nil, "",
			`invalid argument "65536" for "--small" flag: strconv.ParseUint: parsing "65536": value out of range`},
		{"no time", "--time 3", nil, "",
			`invalid argument "3" for "--time" flag: time: missing unit in duration "3"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var v values
			var f FlagSet
			v.add(&f)
			args := strings.Fields(tt.args)
			for i := range args {
				args[i] = strings.TrimPrefix(args[i], "%s")
			}
			err := f.Parse(args)
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Errorf("got %v, want %s", err, tt.err)
				}
				return
			}
			want := defaults()
			tt.want(&want)
			if err != nil || !reflect.DeepEqual(v, want) || strings.Join(f.Args(), " ") != tt.rest {
				t.Errorf("got %+v, %q, %v, want %+v, %q", v, f.Args(), err, want, tt.rest)
			}
		})
	}
}

// TestErrorCause keeps the reason of a bad value for errors.Is.
func TestErrorCause(t *testing.T) {
	var v values
	var f FlagSet
	v.add(&f)
	if err := f.Parse([]string{"--n", "99999999999999999999"}); !errors.Is(err, strconv.ErrRange) {
		t.Errorf("got %v", err)
	}
}

func TestNotInterspersed(t *testing.T) {
	tests := []struct {
		name, args, rest string
		on               bool
	}{
		{"flags of a program", "--on prog -x --on", "prog -x --on", true},
		{"none before", "prog --on", "prog --on", false},
		{"two dashes", "--on -- -x", "-x", true},
		{"two dashes later", "prog -- -x", "prog -- -x", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var v values
			var f FlagSet
			f.SetInterspersed(false)
			v.add(&f)
			if err := f.Parse(strings.Fields(tt.args)); err != nil || strings.Join(f.Args(),
				" ") != tt.rest || v.On != tt.on {
				t.Errorf("got %q, %v, %v", f.Args(), v.On, err)
			}
		})
	}
}

func TestChanged(t *testing.T) {
	var v values
	var f FlagSet
	v.add(&f)
	if err := f.Parse([]string{"--word", "none", "-o=false"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"word": true, "on": true, "text": false,
		"nothere": false} {
		if got := f.Changed(name); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// TestArgsAreOwn asserts that arguments can be added to without a change to the
// caller's list.
func TestArgsAreOwn(t *testing.T) {
	var f FlagSet
	list := []string{"--", "a", "b"}
	if err := f.Parse(list[:2]); err != nil {
		t.Fatal(err)
	}
	if _ = append(f.Args(), "x"); list[2] != "b" {
		t.Errorf("got %q", list)
	}
}

func TestDefinedTwice(t *testing.T) {
	tests := []struct{ name, flag, short string }{{"name", "on", ""}, {"letter", "other", "o"}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			var f FlagSet
			var b bool
			f.BoolVarP(&b, "on", "o", false, "")
			f.BoolVarP(&b, tt.flag, tt.short, false, "")
		})
	}
}
