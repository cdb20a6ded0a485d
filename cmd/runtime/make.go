package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/runtime/container"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// makeFlags are the flags that create and run share.
type makeFlags struct {
	bundle, consoleSocket, pidFile string
	pidfdSocket                    string
	noPivot, noNewKeyring          bool
	preserveFDs                    int
}

func (m *makeFlags) add(f *pflag.FlagSet) {
	f.StringVarP(&m.bundle, "bundle", "b", "",
		"`DIRECTORY` of the bundle (default the current one)")
	cli.CompleteDirectory(f, "bundle")
	f.StringVar(&m.consoleSocket, "console-socket", "", "Unix `SOCKET` that receives the "+
		"master of the container's terminal")
	f.StringVar(&m.pidFile, "pid-file", "", "write the process id to `FILE`")
	f.StringVar(&m.pidfdSocket, "pidfd-socket", "", "Unix `SOCKET` that receives a pidfd of the "+
		"container's init process")
	f.BoolVar(&m.noPivot, "no-pivot", false, "do not use pivot_root (for hosts that run from an "+
		"initial ramdisk)")
	f.BoolVar(&m.noNewKeyring, "no-new-keyring", false, "give the container the caller's "+
		"session keyring")
	f.IntVar(&m.preserveFDs, "preserve-fds", 0, "pass on `N` descriptors, after standard error "+
		"and those of LISTEN_FDS")
}

// makeOptions loads the bundle, prints its warnings and returns the options for
// a container of it.
func (a *app) makeOptions(m *makeFlags, dir, id string) (container.Options, error) {
	if err := container.CheckID(id); err != nil {
		return container.Options{}, err
	}
	b, err := bundle.Load(dir)
	if err != nil {
		return container.Options{}, err
	}
	a.log.warnAll(b.Warnings)
	// A first process of a PID namespace would not get the signal: it has no
	// handler yet.
	if ctx := a.interrupt.context(); ctx.Err() != nil {
		return container.Options{}, context.Cause(ctx)
	}
	store, err := a.store()
	if err != nil {
		return container.Options{}, err
	}
	listen, err := listenFDs(os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"))
	if err != nil {
		return container.Options{}, err
	}
	if listen > 0 && b.Spec.Process != nil {
		b.Spec.Process.Env = setEnv(b.Spec.Process.Env, "LISTEN_FDS="+strconv.Itoa(listen),
			"LISTEN_PID=1")
	}
	preserved, err := a.preservedFiles(listen, m.preserveFDs)
	if err != nil {
		return container.Options{}, err
	}
	return container.Options{
		Store: store, ID: id, Bundle: b, PidFile: m.pidFile, NoPivot: m.noPivot,
		NoKeyring: m.noNewKeyring,
		Observer:  a.observer(nil),
		IO: container.IO{
			Stdio:     [3]*os.File{a.stdin, a.stdout, a.stderr},
			Preserved: preserved, ConsoleSocket: m.consoleSocket,
		},
	}, nil
}

// listenFDs reads LISTEN_FDS, the number of sockets that a service manager
// passes. They are meant for the process in LISTEN_PID (sd_listen_fds(3)). Any
// other process has inherited the variables, and its descriptors are something
// else.
func listenFDs(pid, number string) (int, error) {
	if number == "" || pid != strconv.Itoa(os.Getpid()) {
		return 0, nil
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("environment: LISTEN_FDS=%q is not a number of descriptors", number)
	}
	return n, nil
}

// preservedFiles returns the requested descriptors after standard error: first
// those of LISTEN_FDS (listen), then those of --preserve-fds (more).
func (a *app) preservedFiles(listen, more int) ([]*os.File, error) {
	if more < 0 {
		return nil, fmt.Errorf("--preserve-fds: %d is negative", more)
	}
	var files []*os.File
	for fd := 3; fd < 3+listen+more; fd++ {
		if fd >= 3+a.passed {
			if fd < 3+listen {
				return nil, fmt.Errorf("environment: LISTEN_FDS=%d, but descriptor %d is not "+
					"open (unset LISTEN_FDS and LISTEN_PID, or pass it)", listen, fd)
			}
			return nil, fmt.Errorf("--preserve-fds: descriptor %d (of %d to %d) was not passed: %w",
				fd, 3+listen, 2+listen+more, unix.EBADF)
		}
		files = append(files, os.NewFile(uintptr(fd), "preserved "+strconv.Itoa(fd)))
	}
	return files, nil
}

// takePassed counts the descriptors after standard error that the caller has
// passed, and makes them and all higher ones close-on-exec: a program that this
// one starts gets only what it is given.
func takePassed() (int, error) {
	n := 0
	for {
		flags, err := unix.FcntlInt(uintptr(3+n), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 { // this program's own
			break
		}
		n++
	}
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		// Linux 5.11
		return 0, os.NewSyscallError("close_range", err)
	}
	return n, nil
}

// target returns what run works on. If dir is empty and arg looks like a
// bundle, arg is the bundle. It does if it contains a slash, is . or .. (which
// are not valid ids), or names a bundle while the current directory is not one.
// Otherwise arg is the id, and the bundle is dir or the current directory.
func target(dir, arg string) (bundleDir, id string) {
	if dir != "" {
		return dir, arg
	}
	if strings.Contains(arg, "/") || arg == "." || arg == ".." || !isBundle(".") && isBundle(arg) {
		return arg, idOf(arg)
	}
	return ".", arg
}

func isBundle(dir string) bool {
	st, err := os.Stat(filepath.Join(dir, bundle.ConfigFile))
	return err == nil && st.Mode().IsRegular()
}

// idOf derives an id from the name of a bundle's directory.
func idOf(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		abs = dir
	}
	name := strings.Map(func(r rune) rune {
		if r < 0x80 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("_+-.", r)) {
			return r
		}
		return '-'
	}, filepath.Base(abs))
	const longest = 100
	return name[:min(len(name), longest)]
}

// setEnv sets variables in a list of NAME=VALUE. Each replaces all others of
// the same name, because programs differ in which one of several they use.
func setEnv(env []string, variables ...string) []string {
	out := append([]string(nil), env...)
	for _, v := range variables {
		name, _, _ := strings.Cut(v, "=")
		kept := out[:0]
		for _, e := range out {
			if !strings.HasPrefix(e, name+"=") {
				kept = append(kept, e)
			}
		}
		out = append(kept, v)
	}
	return out
}

// parseEnv checks the values of --env.
func parseEnv(list []string) error {
	for _, v := range list {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" {
			return fmt.Errorf("--env: %q is not NAME=VALUE", v)
		}
		if strings.ContainsRune(v, 0) {
			return errors.New("--env: the value holds a NUL byte")
		}
	}
	return nil
}
