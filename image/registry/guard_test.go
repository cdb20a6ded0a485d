package registry

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestGuardAddresses(t *testing.T) {
	tests := []struct {
		name string
		near reach // of the registry
		addr string
		ok   bool
	}{
		{"public to public", public, "93.184.216.34", true},
		{"public to private", public, "10.1.2.3", false},
		{"public to private IPv6", public, "fd00::1", false},
		{"public to carrier NAT", public, "100.64.0.1", false},
		{"public to loopback", public, "127.0.0.1", false},
		{"public to loopback IPv6", public, "::1", false},
		{"public to mapped loopback", public, "::ffff:127.0.0.1", false},
		{"public to translated private", public, "64:ff9b::10.0.0.1", false},
		{"public to unspecified", public, "0.0.0.0", false},
		{"public to metadata", public, "169.254.169.254", false},
		{"public to multicast", public, "224.0.0.1", false},
		{"private to public", private, "93.184.216.34", true},
		{"private to private", private, "192.168.1.1", true},
		{"private to loopback", private, "127.0.0.1", false},
		{"private to metadata", private, "169.254.169.254", false},
		{"loopback to loopback", loopback, "127.0.0.1", true},
		{"loopback to private", loopback, "172.17.0.2", true},
		{"loopback to metadata", loopback, "fe80::1", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newGuard("r.example", false, nil, time.Second)
			g.near.Store(int32(tt.near))
			if err := g.allow(netip.MustParseAddr(tt.addr)); (err == nil) != tt.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestGuardJudgesDialledAddress: a name that a public registry chose resolves
// to this machine.
func TestGuardJudgesDialledAddress(t *testing.T) {
	inside := newFake(t, httptest.NewServer, map[string]http.HandlerFunc{"": say(200, "secret")})
	_, port, _ := strings.Cut(inside.host(), ":")
	g := newGuard("r.example", true, nil, time.Second)
	defer g.close()
	req, err := http.NewRequest(http.MethodGet, "http://localhost:"+port+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := g.RoundTrip(req)
	if err == nil {
		res.Body.Close()
	}
	if !errors.As(err, new(*GuardError)) || mayPass(err) {
		t.Errorf("got %v, want a GuardError, which is not tried again", err)
	}
	if n := len(inside.asked("/")); n != 0 {
		t.Errorf("server was asked %d times", n)
	}
}

// TestGuardBehindProxy: a proxy may be anywhere, but literal addresses are
// still judged.
func TestGuardBehindProxy(t *testing.T) {
	proxy := newFake(t, httptest.NewServer, map[string]http.HandlerFunc{"/": say(200, "by proxy")})
	proxyURL, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	g := newGuard("r.example", true, nil, time.Second)
	defer g.close()
	for _, tr := range []*http.Transport{g.registry, g.chosen} {
		tr.Proxy = http.ProxyURL(proxyURL)
	}
	tests := []struct {
		url string
		ok  bool
	}{
		{"http://r.example/", true},
		{"http://auth.example/", true},
		{"http://10.0.0.1/", false},
		{"http://169.254.169.254/", false},
	}
	for _, tt := range tests {
		req, err := http.NewRequest(http.MethodGet, tt.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := g.RoundTrip(req)
		if err == nil {
			res.Body.Close()
		}
		if (err == nil) != tt.ok {
			t.Errorf("%s: got %v", tt.url, err)
		}
	}
	if near := reach(g.near.Load()); near != public {
		t.Errorf("the address of the proxy was taken for the registry's: %v", near)
	}
}

func TestGuardErrorHidesSecrets(t *testing.T) {
	g := newGuard("r.example", false, nil, time.Second)
	req, err := http.NewRequest(http.MethodGet, "http://user:pass@r.example/x?token=y", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = g.RoundTrip(req)
	want := "refused to send a request to http://r.example/x: it is not https (--plain-http " +
		"allows that for this registry)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestSameHost(t *testing.T) {
	tests := []struct {
		a, b, scheme string
		want         bool
	}{
		{"r.example", "r.example:443", "https", true},
		{"R.example", "r.example", "https", true},
		{"r.example:80", "r.example", "http", true},
		{"r.example:80", "r.example", "https", false},
		{"r.example:444", "r.example", "https", false},
		{"r.example.evil", "r.example", "https", false},
	}
	for _, tt := range tests {
		if got := sameHost(tt.a, tt.b, tt.scheme); got != tt.want {
			t.Errorf("sameHost(%q, %q, %s) = %v", tt.a, tt.b, tt.scheme, got)
		}
	}
}
