package registry

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// GuardError is a request that was not made, because the registry may not
// choose where it would have gone.
type GuardError struct {
	URL    string // without user and query, which may hold secrets
	Reason string
}

func (e *GuardError) Error() string {
	return fmt.Sprintf("refused to send a request to %s: %s", e.URL, e.Reason)
}

// guard is the lowest transport: everything that leaves for the network passes
// here, with credentials already attached. It holds two rules for what a
// registry can choose by a realm (WWW-Authenticate) or a redirect, whatever the
// layers above believe (CVE-2020-15157, CVE-2026-48978):
//
//   - never http, unless the user allowed it for this registry;
//   - never an address that is nearer to us than the registry itself: a public registry cannot name private, link-local or loopback addresses,
//     a private one cannot name loopback. Names are judged by the address that is really dialled, so that DNS cannot change it in between.
//
// Through a proxy from the environment the proxy resolves names, and only
// literal addresses can be judged.
type guard struct {
	host     string // host:port of the registry, canonical for both schemes
	plain    bool
	registry *http.Transport // to the host that the user named
	chosen   *http.Transport // to hosts that the registry named
	near     atomic.Int32    // reach of the address that the registry was dialled at
	stall    time.Duration   // how long the body of an answer to the handshake may take
}

func newGuard(host string, plain bool, tlsConfig *tls.Config, stall time.Duration) *guard {
	g := &guard{host: host, plain: plain, stall: stall}
	g.registry = newTransport(tlsConfig, &net.Dialer{Timeout: dialTimeout, ControlContext: g.learn})
	g.chosen = newTransport(tlsConfig, &net.Dialer{Timeout: dialTimeout, ControlContext: g.judge})
	return g
}

const dialTimeout = 15 * time.Second

func newTransport(tlsConfig *tls.Config, dialer *net.Dialer) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        tlsConfig.Clone(),
		TLSHandshakeTimeout:    dialTimeout,
		ResponseHeaderTimeout:  30 * time.Second,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConnsPerHost:    16,
		MaxResponseHeaderBytes: 256 << 10,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // blobs are hashed as they are
	}
}

func (g *guard) close() {
	g.registry.CloseIdleConnections()
	g.chosen.CloseIdleConnections()
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := g.send(req)
	if err == nil && req.Context().Value(handshake{}) != nil {
		res.Body = newBrief(res.Body, g.stall)
	}
	return res, err
}

func (g *guard) send(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !(req.URL.Scheme == "http" && g.plain) {
		return nil, &GuardError{bareURL(req), "it is not https (--plain-http allows that for " +
			"this registry)"}
	}
	if sameHost(req.URL.Host, g.host, req.URL.Scheme) {
		return g.registry.RoundTrip(req)
	}
	proxy, err := g.chosen.Proxy(req)
	if err != nil || proxy == nil {
		return g.chosen.RoundTrip(req)
	}
	if addr, err := netip.ParseAddr(req.URL.Hostname()); err == nil {
		if err := g.allow(addr); err != nil {
			return nil, err
		}
	}
	return g.registry.RoundTrip(req)
}

// learn notes how near the registry is. A dial for a proxy says nothing about
// that.
func (g *guard) learn(ctx context.Context, network, address string, c syscall.RawConn) error {
	addr, err := netip.ParseAddrPort(address)
	if err == nil && !proxied(g.registry, g.host) {
		g.near.Store(int32(reachOf(addr.Addr())))
	}
	return err
}

func proxied(t *http.Transport, host string) bool {
	req, err := http.NewRequest(http.MethodGet, "https://"+host+"/", nil)
	if err != nil {
		return false
	}
	proxy, err := t.Proxy(req)
	return err == nil && proxy != nil
}

// judge runs between the lookup of a name and the connection to one of its
// addresses.
func (g *guard) judge(ctx context.Context, network, address string, c syscall.RawConn) error {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	return g.allow(addr.Addr())
}

func (g *guard) allow(addr netip.Addr) error {
	if r := reachOf(addr); r == linkLocal || r > reach(g.near.Load()) {
		return &GuardError{addr.String(), fmt.Sprintf("%s, and %s is not: a registry may not "+
			"lead there", r, g.host)}
	}
	return nil
}

// reach says from where an address can be reached; a larger one is nearer.
type reach int32

const (
	public reach = iota
	private
	loopback
	linkLocal // also the metadata services of clouds
)

func (r reach) String() string {
	return [...]string{"it is a public address", "it is a private address",
		"it is an address of this machine", "it is a link-local address"}[r]
}

func reachOf(addr netip.Addr) reach {
	addr = addr.Unmap().WithZone("")
	if nat64 := netip.MustParsePrefix("64:ff9b::/96"); nat64.Contains(addr) {
		b := addr.As16()
		addr = netip.AddrFrom4([4]byte(b[12:]))
	}
	shared := netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
	switch {
	case addr.IsLoopback(), addr.IsUnspecified():
		return loopback
	case addr.IsLinkLocalUnicast(), addr.IsMulticast():
		return linkLocal
	case addr.IsPrivate(), shared.Contains(addr):
		return private
	}
	return public
}

// sameHost compares host[:port] for one scheme.
func sameHost(a, b, scheme string) bool {
	port := map[string]string{"https": ":443", "http": ":80"}[scheme]
	return strings.EqualFold(strings.TrimSuffix(a, port), strings.TrimSuffix(b, port))
}

func bareURL(req *http.Request) string {
	return req.URL.Scheme + "://" + req.URL.Host + req.URL.Path
}
