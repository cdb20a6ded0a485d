package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/ocikit/ocikit/bundle"
	"github.com/sirupsen/logrus"
)

// log is where errors and warnings go. They are written to standard error as
// plain lines for people, and to the file of --log, if any, in the formats of
// logrus, which is what programs that call runc read: they take the msg of
// the last line with level=error.
type log struct {
	stderr io.Writer
	file   *os.File
	logger *logrus.Logger // nil without --log and --log-format=json
	quiet  bool           // standard error is the log
}

// newLog returns a log that is not open: all it knows is standard error.
func newLog(stderr io.Writer) *log { return &log{stderr: stderr} }

// open applies --log, --log-format and --debug.
func (l *log) open(path, format string, debug bool) error {
	if !oneOf(format, "", "text", "json") {
		return fmt.Errorf("--log-format: %q is not text or json", format)
	}
	if path == "" && format != "json" && !debug {
		return nil
	}
	l.logger = logrus.New()
	l.logger.SetOutput(l.stderr)
	l.quiet = path == ""
	if path != "" {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			l.logger = nil
			return fmt.Errorf("--log: %w", err)
		}
		l.file = f
		l.logger.SetOutput(f)
	}
	if format == "json" {
		l.logger.SetFormatter(&logrus.JSONFormatter{})
	}
	if debug {
		l.logger.SetLevel(logrus.DebugLevel)
	}
	return nil
}

// close closes the log file.
func (l *log) close() {
	if l.file != nil {
		l.file.Close()
	}
}

// fail reports the error that ends the program.
func (l *log) fail(err error) {
	if l.logger != nil {
		l.logger.WithFields(fields(err)).Error(err)
	}
	if l.quiet {
		return
	}
	for _, line := range lines(err) {
		fmt.Fprintf(l.stderr, "runtime: %s\n", line)
	}
}

// warnAll reports the doubts about a configuration.
func (l *log) warnAll(warnings []bundle.Problem) {
	for _, w := range warnings {
		l.warnText(w.Error())
	}
}

// warnText reports something that the user should know.
func (l *log) warnText(text string) {
	if l.logger != nil {
		l.logger.Warn(text)
	}
	if !l.quiet {
		fmt.Fprintf(l.stderr, "runtime: warning: %s\n", text)
	}
}

// debug reports what is done, with --debug.
func (l *log) debug(format string, args ...any) {
	if l.logger != nil {
		l.logger.Debugf(format, args...)
	}
}

// lines splits an error that is many for people to read.
func lines(err error) []string {
	var problems bundle.Problems
	if !errors.As(err, &problems) {
		return []string{err.Error()}
	}
	out := make([]string, 0, len(problems))
	for _, p := range problems {
		out = append(out, p.Error())
	}
	return out
}

// fields are what the log says of an error beside its text: "path" is the
// field of the config.json, "hint" what to do, "errno" the kernel's word.
func fields(err error) logrus.Fields {
	f := logrus.Fields{}
	var problem bundle.Problem
	if errors.As(err, &problem) {
		f["path"] = problem.Path
		if problem.Cure != "" {
			f["hint"] = problem.Cure
		}
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		f["errno"] = int(errno)
	}
	return f
}
