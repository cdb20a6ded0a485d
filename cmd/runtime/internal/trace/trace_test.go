package trace

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
)

func TestWrite(t *testing.T) {
	var tr Trace
	tr.Span("container", "mount", "mounts[0]", 1500*time.Microsecond, 2*time.Millisecond)
	tr.Span("runtime", "load", "", time.Millisecond, 1250*time.Microsecond)
	var b bytes.Buffer
	if err := tr.Write(&b); err != nil {
		t.Fatal(err)
	}
	want := `{"traceEvents":[` +
		`{"name":"thread_name","ph":"M","pid":1,"tid":1,"ts":0,"args":{"name":"runtime"}},` +
		`{"name":"thread_name","ph":"M","pid":1,"tid":2,"ts":0,"args":{"name":"container"}},` +
		`{"name":"mount","ph":"X","pid":1,"tid":2,"ts":500,"dur":500,"args":{"config.json":"mounts[0]"}},` +
		`{"name":"load","ph":"X","pid":1,"tid":1,"ts":0,"dur":250}` +
		`],"displayTimeUnit":"ms"}` + "\n"
	if got := b.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEmptyTraceIsValid(t *testing.T) {
	var b bytes.Buffer
	if err := new(Trace).Write(&b); err != nil || !json.Valid(b.Bytes()) {
		t.Errorf("wrote %q, %v", b.String(), err)
	}
}
