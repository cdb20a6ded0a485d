package main

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The range of real-time signals that programs can use: the C library reserves
// the first two of the kernel (signal(7)).
const (
	sigRTMin = 34
	sigRTMax = 64
)

// parseSignal reads a signal: a number, or a name in any case, with or without
// SIG. RTMIN+n and RTMAX-n are names, too.
func parseSignal(s string) (unix.Signal, error) {
	if n, err := strconv.Atoi(s); err == nil {
		if n < 0 || n > sigRTMax {
			return 0, fmt.Errorf("unknown signal %q: numbers are 0 to %d", s, sigRTMax)
		}
		return unix.Signal(n), nil
	}
	name := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if sig := unix.SignalNum("SIG" + name); sig != 0 {
		return sig, nil
	}
	if n, ok := realTime(name); ok {
		return unix.Signal(n), nil
	}
	return 0, fmt.Errorf("unknown signal %q", s)
}

// signalNames lists names that parseSignal reads, without SIG. Of the real-time
// signals it lists the first and the last.
func signalNames() []string {
	names := []string{"RTMIN", "RTMAX"}
	for n := unix.Signal(1); n < sigRTMin; n++ {
		if name := unix.SignalName(n); name != "" {
			names = append(names, strings.TrimPrefix(name, "SIG"))
		}
	}
	return names
}

// realTime reads RTMIN, RTMIN+n, RTMAX and RTMAX-n.
func realTime(name string) (int, bool) {
	base, sign := sigRTMin, 1
	rest, ok := strings.CutPrefix(name, "RTMIN")
	if !ok {
		base, sign = sigRTMax, -1
		if rest, ok = strings.CutPrefix(name, "RTMAX"); !ok {
			return 0, false
		}
	}
	if rest == "" {
		return base, true
	}
	want := "+"
	if sign < 0 {
		want = "-"
	}
	digits, ok := strings.CutPrefix(rest, want)
	n, err := strconv.ParseUint(digits, 10, 8)
	if !ok || err != nil {
		return 0, false
	}
	sig := base + sign*int(n)
	return sig, sig >= sigRTMin && sig <= sigRTMax
}
