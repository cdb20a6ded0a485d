// Package host looks at what a start depends on besides the configuration: the
// kernel and the machine. What it finds are plan.Facts, so that package plan
// never has to look for itself. Nothing is cached.
package host

import (
	"bytes"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Capabilities returns the permitted set of the calling process, capget(2).
func Capabilities() (uint64, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, fmt.Errorf("capget: %w", err)
	}
	return uint64(data[0].Permitted) | uint64(data[1].Permitted)<<32, nil
}

// kcore says whether this kernel has /proc/kcore.
func kcore() bool {
	return unix.Faccessat(unix.AT_FDCWD, "/proc/kcore", unix.F_OK, unix.AT_SYMLINK_NOFOLLOW) == nil
}

// lsm returns the security module that labels programs on this host:
// "apparmor", "selinux" or "".
func lsm() string {
	if enabled, err := os.ReadFile("/sys/module/apparmor/parameters/enabled"); err == nil &&
		bytes.HasPrefix(enabled, []byte("Y")) {
		return "apparmor"
	}
	var fs unix.Statfs_t
	if err := unix.Statfs("/sys/fs/selinux", &fs); err == nil &&
		uint32(fs.Type) == unix.SELINUX_MAGIC {
		return "selinux"
	}
	return ""
}
