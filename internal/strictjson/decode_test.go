package strictjson

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// thing has each kind of field that the decoder knows.
type thing struct {
	Str    string            `json:"str,omitempty"`
	Named  name              `json:"named"`
	Bool   bool              `json:"bool"`
	I8     int8              `json:"i8"`
	I64    int64             `json:"i64"`
	U32    uint32            `json:"u32"`
	U64    uint64            `json:"u64"`
	Ptr    *int              `json:"ptr"`
	Obj    *thing            `json:"obj"`
	List   []string          `json:"list"`
	Things []thing           `json:"things"`
	Map    map[string]string `json:"map"`
	Objs   map[name]thing    `json:"objs"`
	Any    any               `json:"any"`
	inside
	Hidden string `json:"-"`
	NoTag  string
}

type name string

type inside struct {
	Major int64 `json:"major"`
}

func show(text string, problems []Problem) string {
	var lines []string
	for _, p := range problems {
		line, col := Position(text, p.Offset)
		s := fmt.Sprintf("%d:%d: %s: %s", line, col, p.Path, p.Cause)
		if p.Cure != "" {
			s += " (" + p.Cure + ")"
		}
		lines = append(lines, s)
	}
	return strings.Join(lines, "\n")
}

func TestDecodeValues(t *testing.T) {
	seven := 7
	tests := []struct {
		name, text string
		want       thing
	}{
		{"empty object", `{}`, thing{}},
		{"null", ` null `, thing{}},
		{"string", `{"str":"a"}`, thing{Str: "a"}},
		{"escapes", `{"str":"\"\\\/\b\f\n\r\tA\u00e9\ud83d\ude00é"}`,
			thing{Str: "\"\\/\b\f\n\r\tAé😀é"}},
		{"escaped key", `{"s\u0074r":"a"}`, thing{Str: "a"}},
		{"named string type", `{"named":"n"}`, thing{Named: "n"}},
		{"numbers",
			`{"i8":-128,"i64":9223372036854775807,"u32":4294967295,"u64":18446744073709551615}`,
			thing{I8: -128, I64: 1<<63 - 1, U32: 1<<32 - 1, U64: 1<<64 - 1}},
		{"minus zero", `{"i64":-0}`, thing{}},
		{"pointer", `{"ptr":7}`, thing{Ptr: &seven}},
		{"null pointer", `{"ptr":null}`, thing{}},
		{"object", `{"obj":{"bool":true}}`, thing{Obj: &thing{Bool: true}}},
		{"empty array is not nil", `{"list":[]}`, thing{List: []string{}}},
		{"long array", `{"list":["a","b","c","d","e",null]}`, thing{List: []string{"a", "b", "c",
			"d", "e", ""}}},
		{"map", `{"map":{"a":"b","":"c"}}`, thing{Map: map[string]string{"a": "b", "": "c"}}},
		{"map of objects", `{"objs":{"a":{"str":"s"}}}`,
			thing{Objs: map[name]thing{"a": {Str: "s"}}}},
		{"any", `{"any":{"a":[1,"b",null]}}`, thing{Any: map[string]any{"a": []any{1.0, "b",
			nil}}}},
		{"embedded", `{"major":8}`, thing{inside: inside{Major: 8}}},
		{"unknown fields", `{"new":{"a":[1.5e3,true,false,null,"x"]},"str":"a"}`, thing{Str: "a"}},
		{"a field without a tag", `{"NoTag":"b","Hidden":"c","-":"d"}`, thing{NoTag: "b"}},
		{"space everywhere", "\t{ \"list\"\r\n:\n[ \"a\" , \"b\" ] } \n",
			thing{List: []string{"a", "b"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got thing
			res := Decode(tt.text, &got)
			if len(res.Problems)+len(res.Warnings) > 0 || res.Malformed {
				t.Fatalf("problems: %s\nwarnings: %s", show(tt.text, res.Problems),
					show(tt.text, res.Warnings))
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestDecodeWrongTypes(t *testing.T) {
	tests := []struct {
		name, text, want string
	}{
		{"all of them",
			`{"str":1,"bool":"true","u32":"1","list":{},"map":[],"obj":true,"ptr":-1.5}`,
			"1:8: str: must be a string, and is a number\n" +
				"1:17: bool: must be true or false, and is a string (remove the quotes)\n" +
				"1:30: u32: must be a whole number, and is a string (remove the quotes)\n" +
				"1:41: list: must be an array, and is an object\n" +
				"1:50: map: must be an object, and is an array\n" +
				"1:59: obj: must be an object, and is a boolean\n" +
				"1:70: ptr: must be a whole number, and is -1.5 (write it without point and " +
				"exponent)"},
		{"words in quotes", `{"bool":"yes","i64":"0x1"}`, "1:9: bool: must be true or false, " +
			"and is a string\n" +
			"1:21: i64: must be a whole number, and is a string"},
		{"the whole", `[]`, "1:1: : must be an object, and is an array"},
		{"too large", `{"i8":128}`, "1:7: i8: 128 is not between -128 and 127"},
		{"too small", `{"i64":-9223372036854775809}`,
			"1:8: i64: -9223372036854775809 is not between -9223372036854775808 and " +
				"9223372036854775807"},
		{"negative", `{"u32":-1}`, "1:8: u32: -1 is not between 0 and 4294967295"},
		{"beyond 64 bits", `{"u64":18446744073709551616}`,
			"1:8: u64: 18446744073709551616 is not between 0 and 18446744073709551615"},
		{"exponent", `{"i64":1e3}`, "1:8: i64: must be a whole number, and is 1e3 (write it " +
			"without point and exponent)"},
		{"paths", `{"things":[{},{"objs":{"a.b":{"list":["x",
			2]}}}]}`, "2:4: things[1].objs[\"a.b\"].list[1]: must be a string, and is a number"},
		{"NUL in a string", `{"list":["a\u0000b"]}`, "1:10: list[0]: holds a NUL character, " +
			"which the kernel cannot take"},
		{"NUL in a key", `{"map":{"a\u0000":"b"}}`,
			"1:9: map[\"a\\x00\"]: holds a NUL character, which the kernel cannot take"},
		{"columns count characters", `{"map":{"é😀":1}}`, "1:14: map[\"é😀\"]: must be a string, " +
			"and is a number"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var v thing
			res := Decode(tt.text, &v)
			if got := show(tt.text, res.Problems); got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
			if res.Malformed {
				t.Error("Malformed is true")
			}
		})
	}
}

func TestDecodeMalformed(t *testing.T) {
	deep := strings.Repeat("[", maxDepth)
	tests := []struct {
		name, text, want string
	}{
		{"empty", "", "1:1: : expected a value, found the end of the file"},
		{"space only", " \n", "2:1: : expected a value, found the end of the file"},
		{"no end", `{"str":"a"`,
			`1:11: : expected "," or "}" after the value of "str", found the end of the file`},
		{"missing comma", "{\"str\":\"a\"\n\"bool\":true}",
			`2:1: : expected "," or "}" after the value of "str", found '"' (is a comma missing?)`},
		{"missing comma in an array", `{"list":["a" "b"]}`,
			`1:14: list[0]: expected "," or "]" after an element of the array, found '"' (is a comma missing?)`},
		{"comment for a comma", "{\"str\":\"a\" // why\n}",
			`1:12: : expected "," or "}" after the value of "str", found '/' (JSON has no comments)`},
		{"comma too many", `{"str":"a",}`,
			`1:12: : expected a key in double quotes, found '}' (remove the comma before "}")`},
		{"comma too many in an array", `{"list":["a",]}`,
			`1:14: list[0]: expected a value, found ']' (remove the comma before "]")`},
		{"comma first", `{"list":[,]}`, `1:10: list[0]: expected a value, found ','`},
		{"missing colon", `{"str" "a"}`, `1:8: : expected ":" after the key "str", found '"'`},
		{"missing value", `{"str":}`, `1:8: str: expected a value, found '}'`},
		{"key without quotes", `{str:1}`, `1:2: : expected a key in double quotes, found "str"`},
		{"key in single quotes", `{'str':1}`,
			`1:2: : expected a key in double quotes, found '\'' (JSON strings need double quotes)`},
		{"string in single quotes", `{"str":'a'}`,
			`1:8: str: expected a value, found '\'' (JSON strings need double quotes)`},
		{"comment", "{\n// why\n}",
			`2:1: : expected a key in double quotes, found '/' (JSON has no comments)`},
		{"comment for a value", "{\"str\": /* why */ 1}",
			`1:9: str: expected a value, found '/' (JSON has no comments)`},
		{"two values", `{} {}`,
			`1:4: : expected the end of the file, found '{' (is there a bracket too many before?)`},
		{"bracket too many", `{}}`,
			`1:3: : expected the end of the file, found '}' (is there a bracket too many before?)`},
		{"wrong bracket", `{"list":["a"}}`,
			`1:13: list[0]: expected "," or "]" after an element of the array, found '}'`},
		{"word", `{"bool":yes}`, `1:9: bool: expected a value, found "yes"`},
		{"half a word", `{"bool":tru}`, `1:9: bool: expected true, found "tru"`},
		{"word that goes on", `{"ptr":nullx}`, `1:8: ptr: expected null, found "nullx"`},
		{"leading zero", `{"i64":010}`,
			`1:8: i64: expected a number, found "010" (numbers are decimal, without leading zeros)`},
		{"hexadecimal", `{"i64":0x10}`,
			`1:8: i64: expected a number, found "0x10" (numbers are decimal, without leading zeros)`},
		{"minus alone", `{"i64":-}`,
			`1:8: i64: expected a number, found "-" (numbers are decimal, without leading zeros)`},
		{"point without digits", `{"i64":1.}`,
			`1:8: i64: expected a number, found "1." (numbers are decimal, without leading zeros)`},
		{"exponent without digits", `{"new":1e+}`,
			`1:8: : expected a number, found "1e" (numbers are decimal, without leading zeros)`},
		{"string without end", `{"str":"a`, `1:8: str: the string has no closing quote`},
		{"line break in a string", "{\"str\":\"a\nb\"}",
			`1:10: str: the control character 0x0a in a string (is the closing quote missing?)`},
		{"bad escape", `{"str":"a\x"}`,
			`1:10: str: not a valid escape in a string (write a backslash as \\)`},
		{"bad hexadecimal escape", `{"str":"\u12g4"}`,
			`1:9: str: not a valid escape in a string (write a backslash as \\)`},
		{"half a surrogate pair", `{"str":"\ud83d!"}`,
			`1:9: str: not a valid escape in a string (write a backslash as \\)`},
		{"surrogates the wrong way round", `{"str":"\ude00\ud83d"}`,
			`1:9: str: not a valid escape in a string (write a backslash as \\)`},
		{"escape at the end", `{"str":"\`,
			`1:9: str: not a valid escape in a string (write a backslash as \\)`},
		{"not UTF-8", "{\"str\":\"\xff\"}",
			`1:8: str: the string is not valid UTF-8 (save the file as UTF-8)`},
		{"a byte that is no character", "{\xff}",
			`1:2: : expected a key in double quotes, found the byte 0xff`},
		{"byte order mark", "\xef\xbb\xbf{}",
			`1:1: : the file begins with a byte order mark (save the file as UTF-8 without one)`},
		{"UTF-16", "\xff\xfe{\x00}\x00",
			`1:1: : the file begins with a byte order mark (save the file as UTF-8 without one)`},
		{"nested too deep", `{"new":` + deep + deep,
			fmt.Sprintf(`1:%d: : nested deeper than 256 levels`, 7+maxDepth)},
		{"wrong types before", `{"str":1,"bool":`,
			"1:8: str: must be a string, and is a number\n1:17: bool: expected a value, found " +
				"the end of the file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var v thing
			res := Decode(tt.text, &v)
			if got := show(tt.text, res.Problems); got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
			if !res.Malformed {
				t.Error("Malformed is false")
			}
			if json.Valid([]byte(tt.text)) && !strings.Contains(tt.name, "surrogate") &&
				tt.name != "not UTF-8" {
				t.Error("encoding/json takes it for valid")
			}
		})
	}
}

func TestDecodeDepth(t *testing.T) {
	text := `{"new":` + strings.Repeat("[", maxDepth-1) + strings.Repeat("]", maxDepth-1) + `}`
	var v thing
	if res := Decode(text, &v); res.Malformed {
		t.Errorf("%d levels are refused: %v", maxDepth, res.Problems)
	}
}

// TestDecodeDuplicates: what the last key says counts, and what it does not say
// stays, as encoding/json has it.
func TestDecodeDuplicates(t *testing.T) {
	text := `{"str":"a","map":{"k":"1","k":"2"},"list":["a","b"],
 "str":"b","list":["c"],"obj":{"str":"x"},"obj":{"bool":true},"ptr":1,"ptr":null,"new":1,"new":2}`
	var got thing
	res := Decode(text, &got)
	if len(res.Problems) > 0 {
		t.Fatal(show(text, res.Problems))
	}
	want := thing{Str: "b", Map: map[string]string{"k": "2"}, List: []string{"c"},
		Obj: &thing{Bool: true, Str: "x"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	const again = ": the key is there twice, and what the last one says counts (remove one)\n"
	wantText := "1:27: map.k" + again + "2:2: str" + again + "2:12: list" + again + "2:43: obj" +
		again +
		strings.TrimSuffix("2:71: ptr"+again, "\n")
	if got := show(text, res.Warnings); got != wantText {
		t.Errorf("got:\n%s\nwant:\n%s", got, wantText)
	}
}

// TestDecodeOtherCase takes a key in another case for the field's, and says so;
// an exact one comes first where both would do.
func TestDecodeOtherCase(t *testing.T) {
	text := `{"STR":"a","obj":{"Bool":true,"things":[{"\u017ftr":"b"}]},"major":1,"MAJOR":2,"mapp":1}`
	var got thing
	res := Decode(text, &got)
	want := thing{Str: "a", Obj: &thing{Bool: true, Things: []thing{{Str: "b"}}}, inside: inside{2}}
	if !reflect.DeepEqual(got, want) || len(res.Problems) > 0 {
		t.Errorf("got %+v, want %+v; %v", got, want, res.Problems)
	}
	wantText := `1:2: str: the key is spelt "STR", and counts as "str" (spell it "str")
1:19: obj.bool: the key is spelt "Bool", and counts as "bool" (spell it "bool")
1:42: obj.things[0].str: the key is spelt "ſtr", and counts as "str" (spell it "str")
1:70: major: the key is spelt "MAJOR", and counts as "major" (spell it "major")
1:70: major: the key is there twice, and what the last one says counts (remove one)
1:80: mapp: unknown field, ignored (did you mean "map"?)`
	if got := show(text, res.Warnings); got != wantText {
		t.Errorf("got:\n%s\nwant:\n%s", got, wantText)
	}
}

// TestDecodeBoundsObjects refuses what would be large in memory, before it is.
func TestDecodeBoundsObjects(t *testing.T) {
	half := `[` + strings.Repeat("{},", maxObjects/2-1) + `{}]`
	for _, tt := range []struct{ name, text, want string }{
		{"as many as there can be", `{"things":` + half + `,"things":` + half + `}`, ""},
		{"one more", `{"things":[{"things":` + half + `},{"things":` + half + `}]}`,
			"more than 100000 objects in lists"},
		{"null is one", `{"things":[` + strings.Repeat("null,", maxObjects) + `null]}`,
			"more than 100000 objects in lists"},
		{"strings", `{"list":[` + strings.Repeat(`"",`, 2*maxObjects) + `""]}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var v thing
			res := Decode(tt.text, &v)
			if tt.want == "" && len(res.Problems) > 0 {
				t.Errorf("got %v", res.Problems)
			}
			if tt.want != "" && (!res.Malformed || len(res.Problems) != 1 ||
				res.Problems[0].Cause != tt.want) {
				t.Errorf("got %v, want %s", res.Problems, tt.want)
			}
		})
	}
}

func TestDecodeBoundsProblems(t *testing.T) {
	text := `{"list":[` + strings.Repeat("1,", 10*MaxProblems) + `1]}`
	var v thing
	if res := Decode(text, &v); len(res.Problems) != MaxProblems {
		t.Errorf("got %d problems, want %d", len(res.Problems), MaxProblems)
	}
}

// TestDecodeUnknown warns of keys that are nearly known. Others are extensions.
func TestDecodeUnknown(t *testing.T) {
	text := `{"Strr":"a","obj":{"boool":true,"x-vendor":1},
 "list":[],"objs":{"strr":{"lists":[]}},"hidden":1}`
	want := "1:2: Strr: unknown field, ignored (did you mean \"str\"?)\n" +
		"1:20: obj.boool: unknown field, ignored (did you mean \"bool\"?)\n" +
		"2:28: objs.strr.lists: unknown field, ignored (did you mean \"list\"?)"
	var v thing
	if got := show(text, Decode(text, &v).Warnings); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestSpecIsDecodable walks the types of the specification and fails if one is
// of a kind, or has methods, that the decoder does not know.
func TestSpecIsDecodable(t *testing.T) {
	seen := map[reflect.Type]bool{}
	unmarshaler := reflect.TypeFor[json.Unmarshaler]()
	var walk func(reflect.Type, string)
	walk = func(typ reflect.Type, path string) {
		if seen[typ] {
			return
		}
		seen[typ] = true
		if reflect.PointerTo(typ).Implements(unmarshaler) {
			t.Errorf("%s: %s has UnmarshalJSON", path, typ)
		}
		switch typ.Kind() {
		case reflect.Struct:
			if n := len((&decoder{}).structType(typ).fields); n > 64 {
				t.Errorf("%s: %s has %d fields", path, typ, n)
			}
			for i := range typ.NumField() {
				f := typ.Field(i)
				if _, opts, _ := strings.Cut(f.Tag.Get("json"), ","); opts != "" &&
					opts != "omitempty" {
					t.Errorf("%s.%s: tag option %s", path, f.Name, opts)
				}
				walk(f.Type, path+"."+f.Name)
			}
		case reflect.Map:
			if typ.Key().Kind() != reflect.String {
				t.Errorf("%s: keys are %s", path, typ.Key())
			}
			walk(typ.Elem(), path+"[]")
		case reflect.Pointer, reflect.Slice:
			walk(typ.Elem(), path+"[]")
		case reflect.String, reflect.Bool, reflect.Interface:
		default:
			if v := reflect.New(typ).Elem(); !v.CanInt() && !v.CanUint() {
				t.Errorf("%s: kind %s", path, typ.Kind())
			}
		}
	}
	walk(reflect.TypeFor[specs.Spec](), "Spec")
}
