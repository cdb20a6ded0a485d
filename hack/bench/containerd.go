package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// daemon is a containerd of our own.
type daemon struct {
	cmd    *exec.Cmd
	socket string
	said   *os.File
}

// containerdConfig keeps all that containerd makes below its directory, and
// leaves out what a pull has no use for and the machine might have only once.
const containerdConfig = `version = 2
root = "%[1]s/root"
state = "%[1]s/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images",
  "io.containerd.podsandbox.controller.v1.podsandbox", "io.containerd.nri.v1.nri", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "%[1]s/sock"
[ttrpc]
  address = "%[1]s/ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "%[1]s/opt"
`

// startContainerd starts a containerd whose stores are below dir, and waits
// until it says that it is ready, as it says it to systemd.
func (l *lab) startContainerd(dir string) (*daemon, error) {
	containerd, err := l.find("containerd")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(config, fmt.Appendf(nil, containerdConfig, dir), 0o600); err != nil {
		return nil, err
	}
	notify := filepath.Join(dir, "ready")
	ready, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	defer os.Remove(notify)
	defer ready.Close()
	d := &daemon{cmd: exec.Command(containerd.path, "--config", config), socket: filepath.Join(dir,
		"sock")}
	if d.said, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, err
	}
	d.cmd.Stdout, d.cmd.Stderr = d.said, d.said
	d.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+notify)
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	if err := waitReady(ready); err != nil {
		return nil, errors.Join(fmt.Errorf("containerd does not get ready: %w: %s", err,
			lastWords(d.said)), d.stop())
	}
	return d, nil
}

// waitReady waits for READY=1, sd_notify(3).
func waitReady(c *net.UnixConn) error {
	if err := c.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	message := make([]byte, 4096)
	for {
		n, err := c.Read(message)
		if err != nil {
			return err
		}
		if strings.Contains(string(message[:n]), "READY=1") {
			return nil
		}
	}
}

func (d *daemon) stop() error {
	err := d.cmd.Process.Signal(syscall.SIGTERM)
	_ = d.cmd.Wait() // how it ends does not matter
	return errors.Join(err, d.said.Close())
}

// pullContainerd is a pull by ctr. The daemon runs before and after it, and
// its CPU time counts while the pull lasts.
func pullContainerd(l *lab, r *registry, store, _ string) (s sample, err error) {
	ctr, err := l.find("ctr")
	if err != nil {
		return s, err
	}
	d, err := l.startContainerd(store)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	before, err := ticks(d.cmd.Process.Pid)
	if err != nil {
		return s, err
	}
	if s, err = once(ctr.path, "--address", d.socket, "images", "pull", "--plain-http",
		r.ref()); err != nil {
		return s, err
	}
	after, err := ticks(d.cmd.Process.Pid)
	s.cpu += after - before
	s.peak = max(s.peak, highWater(d.cmd.Process.Pid))
	return s, err
}

// highWater is the most memory that a process held, in MiB.
func highWater(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		var kib float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kib); n == 1 {
			return kib / 1024
		}
	}
	return 0
}
