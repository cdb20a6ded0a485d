package host

import (
	"bytes"
	"strconv"

	"github.com/moby/sys/user"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/bundle/inroot"
	"github.com/ocikit/ocikit/runtime/plan"
)

// maxPasswd bounds what is read of a container's /etc/passwd.
const maxPasswd = 1 << 20

// defaultHome is the home directory of a user who has no entry.
const defaultHome = "/"

// HomeInBundle looks for the home directory of the process's user in the
// /etc/passwd that the container will have: its rootfs's, or that of a mount on
// it.
func HomeInBundle(b *bundle.Bundle) string {
	place := plan.NewTree(b.Spec, b.Dir, b.Rootfs()).Find("/etc/passwd")
	if place.Made {
		return defaultHome
	}
	dir, file := place.File()
	root, err := inroot.Open(dir)
	if err != nil {
		return defaultHome // the mount itself will say so
	}
	defer root.Close()
	return home(root, file, b.Spec.Process.User.UID)
}

// HomeInProcess looks for the home directory of a user in the root of a
// process.
func HomeInProcess(pid int, uid uint32) string {
	root, err := inroot.OpenProcess(pid)
	if err != nil {
		return defaultHome
	}
	defer root.Close()
	return home(root, "/etc/passwd", uid)
}

// home returns the home directory of a user. A passwd file that can't be read
// has no entries: a program that cares sets HOME itself.
func home(root *inroot.Root, file string, uid uint32) string {
	data, err := root.ReadFile(file, maxPasswd)
	if err != nil {
		return defaultHome
	}
	id := strconv.FormatUint(uint64(uid), 10)
	if !bytes.Contains(data, []byte(":"+id+":")) {
		return defaultHome
	}
	users, err := user.ParsePasswdFilter(bytes.NewReader(data), func(u user.User) bool {
		return u.Uid == int(uid)
	})
	if err != nil || len(users) == 0 || users[0].Home == "" {
		return defaultHome
	}
	return users[0].Home
}
