package main

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/internal/printable"
	"github.com/sirupsen/logrus"
)

// log writes errors and warnings to standard error, as plain lines for people,
// and to the file of --log in the formats of logrus. Programs that call runc
// read that file: they use the msg of the last line with level=error.
type log struct {
	stderr io.Writer
	file   io.Closer
	logger *logrus.Logger // nil without --log and --log-format=json
	quiet  bool           // standard error is the log
}

// newLog returns a log that writes to standard error only, until open is
// called.
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
		f, err := openLog(path)
		if err != nil {
			l.logger = nil
			return fmt.Errorf("--log: %w", err)
		}
		l.file = f
		l.logger.SetOutput(f)
	}
	// with colors, it would not quote
	l.logger.SetFormatter(&logrus.TextFormatter{DisableColors: true})
	if format == "json" {
		l.logger.SetFormatter(&jsonFormatter{})
	}
	if debug {
		l.logger.SetLevel(logrus.DebugLevel)
	}
	return nil
}

// jsonFormatter is the one of logrus, made safe to read in a terminal.
type jsonFormatter struct{ logrus.JSONFormatter }

func (f *jsonFormatter) Format(e *logrus.Entry) ([]byte, error) {
	data, err := f.JSONFormatter.Format(e)
	return printable.JSON(data), err
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

// warnAll reports the warnings about a configuration.
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
		fmt.Fprintf(l.stderr, "runtime: warning: %s\n", printable.Text(text))
	}
}

// debug reports what is done, with --debug.
func (l *log) debug(format string, args ...any) {
	if l.logger != nil {
		l.logger.Debugf(format, args...)
	}
}

// lines returns the lines to print of an error: one for each problem of a
// configuration.
func lines(err error) []string {
	var problems bundle.Problems
	if !errors.As(err, &problems) {
		return printable.Error(err)
	}
	out := make([]string, 0, len(problems))
	for _, p := range problems {
		out = append(out, printable.Text(p.Error()))
	}
	return out
}

// fields returns what the log says about an error besides its text: the field
// of config.json ("path"), the cure ("hint"), and the error number of the
// kernel ("errno").
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
