package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// parseSize reads a number of bytes, such as 64m, 1.5g or 512KiB. All units are
// powers of 1024, as with docker.
func parseSize(s string) (int64, error) {
	end := strings.LastIndexAny(s, "0123456789.") + 1
	number, unit := s[:end], strings.ToLower(strings.TrimSpace(s[end:]))
	n, err := strconv.ParseFloat(number, 64)
	unit = strings.TrimSuffix(strings.TrimSuffix(unit, "b"), "i")
	power := strings.Index("kmgtp", unit)
	if err != nil || n < 0 || strings.Trim(number, "0123456789.") != "" || len(unit) > 1 ||
		power < 0 {
		return 0, fmt.Errorf("%q: must be a number and a unit, for example 64m or 1.5g", s)
	}
	if unit != "" {
		n *= math.Pow(1024, float64(power+1))
	}
	if n >= math.MaxInt64 {
		return 0, fmt.Errorf("%q: is too large", s)
	}
	return int64(n), nil
}

// parseWords reads a command: a JSON array, or words separated by blanks. The
// result is nil for an empty string.
func parseWords(flag, s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	if !strings.HasPrefix(s, "[") {
		return strings.Fields(s), nil
	}
	words := []string{}
	if err := json.Unmarshal([]byte(s), &words); err != nil {
		return nil, fmt.Errorf("%s %s: is not a JSON array of texts: %w", flag, s, err)
	}
	return words, nil
}

// bind returns a bind mount.
func bind(source, target string, options ...string) (specs.Mount, error) {
	switch {
	case target == "":
		return specs.Mount{}, errors.New("no target")
	case !strings.HasPrefix(target, "/"):
		return specs.Mount{}, fmt.Errorf("target %q: must begin with \"/\"", target)
	case source == "":
		return specs.Mount{}, errors.New("no source")
	}
	source, err := filepath.Abs(source)
	return specs.Mount{Type: "bind", Source: source, Destination: target,
		Options: append([]string{"rbind"}, options...)}, err
}

// parseVolume reads SOURCE:TARGET[:OPTION,…].
func parseVolume(s string) (specs.Mount, error) {
	parts := strings.Split(s, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return specs.Mount{}, errors.New("must be SOURCE:TARGET or SOURCE:TARGET:OPTIONS")
	}
	if source := parts[0]; source != "" && !strings.ContainsAny(source[:1], "/.") {
		return specs.Mount{}, fmt.Errorf("source %q: there are no named volumes; for a directory "+
			"write ./%s", source, source)
	}
	options := []string{"rprivate"}
	if len(parts) == 3 {
		options = strings.Split(parts[2], ",")
		propagation := func(o string) bool {
			return strings.HasSuffix(o, "private") || strings.HasSuffix(o, "shared") ||
				strings.HasSuffix(o, "slave")
		}
		if !slices.ContainsFunc(options, propagation) {
			options = append(options, "rprivate")
		}
	}
	for _, o := range options {
		if o == "z" || o == "Z" {
			return specs.Mount{}, errors.New("option \"z\": files of the host are not " +
				"relabelled; use chcon")
		}
	}
	return bind(parts[0], parts[1], options...)
}

// parseMount reads docker's form: key=value, separated by commas, quoted as in
// CSV.
func parseMount(s string) (specs.Mount, error) {
	fields, err := csv.NewReader(strings.NewReader(s)).Read()
	if err != nil {
		return specs.Mount{}, err
	}
	var kind, source, target string
	var options []string
	propagation := "rprivate"
	for _, field := range fields {
		key, value, hasValue := strings.Cut(field, "=")
		switch key = strings.ToLower(key); key {
		case "type":
			kind = value
		case "source", "src":
			source = value
		case "target", "destination", "dst":
			target = value
		case "readonly", "ro":
			if yes, err := strconv.ParseBool(value); yes || !hasValue {
				options = append(options, "ro")
			} else if err != nil {
				return specs.Mount{}, fmt.Errorf("%s: %q is not true or false", key, value)
			}
		case "bind-propagation":
			propagation = value
		case "tmpfs-size":
			n, err := parseSize(value)
			if err != nil {
				return specs.Mount{}, fmt.Errorf("%s: %w", key, err)
			}
			options = append(options, "size="+strconv.FormatInt(n, 10))
		case "tmpfs-mode":
			options = append(options, "mode="+value)
		default:
			return specs.Mount{}, fmt.Errorf("unknown key %q", key)
		}
	}
	switch kind {
	case "bind":
		return bind(source, target, append(options, propagation)...)
	case "tmpfs":
		if !strings.HasPrefix(target, "/") {
			return specs.Mount{}, fmt.Errorf("target %q: must begin with \"/\"", target)
		}
		return specs.Mount{Type: "tmpfs", Source: "tmpfs", Destination: target,
			Options: append([]string{"nosuid", "nodev"}, options...)}, nil
	}
	return specs.Mount{}, fmt.Errorf("type %q: must be bind or tmpfs", kind)
}

// formatSize writes a number of bytes for people.
func formatSize(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/1024, 0
	for ; f >= 1024; i++ {
		f /= 1024
	}
	return fmt.Sprintf("%.1f %ciB", f, "KMGTPE"[i])
}
