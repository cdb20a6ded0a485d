package convert

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Accounts are the contents of /etc/passwd and /etc/group of a root filesystem,
// empty where there is no such file.
//
// They are read more strictly than github.com/moby/sys/user does, which takes a
// number that it cannot read for 0, and so for root.
type Accounts struct {
	Passwd, Group []byte
}

// account is a user in a root filesystem.
type account struct {
	User specs.User
	Home string // never empty
}

// maxID is the largest uid or gid. Larger ones, which the kernel would allow,
// have wrapped around to root in other tools (CVE-2024-40635).
const maxID = math.MaxInt32

// maxGroups is the kernel's NGROUPS_MAX.
const maxGroups = 65536

// passwd(5) and group(5)
const (
	fieldName, fieldID                = 0, 2
	fieldGID, fieldHome, passwdFields = 3, 5, 4
	fieldMembers, groupFields         = 3, 3
)

// lookup finds what Config.User of an image means: "", USER, UID, or one of
// both with ":GROUP" or ":GID". A uid or gid need not have an account.
// Supplementary groups are those that list the user, unless a group is given.
func (a Accounts) lookup(user string) (account, error) {
	name, group, _ := strings.Cut(user, ":")
	if name == "" {
		name = "0"
	}
	got, login, err := a.user(name)
	if err != nil {
		return got, err
	}
	if group != "" {
		got.User.GID, err = a.group(group)
		return got, err
	}
	if login != "" {
		got.User.AdditionalGids, err = a.groupsOf(login)
	}
	return got, err
}

// user returns an account and its name, which is empty for a uid without an
// account.
func (a Accounts) user(name string) (got account, login string, err error) {
	got.Home = "/"
	field, want := fieldName, name
	if isNumber(name) {
		if got.User.UID, err = parseID(name); err != nil {
			return got, "", fmt.Errorf("user %q: %w", name, err)
		}
		field, want = fieldID, strconv.FormatUint(uint64(got.User.UID), 10)
	}
	line, fields := find(a.Passwd, field, want, passwdFields)
	if fields == nil {
		if field == fieldID {
			return got, "", nil
		}
		return got, "", fmt.Errorf("user %q: is not in /etc/passwd of the image", name)
	}
	if got.User.UID, err = parseID(fields[fieldID]); err == nil {
		got.User.GID, err = parseID(fields[fieldGID])
	}
	if err != nil {
		return got, "", fmt.Errorf("user %q: /etc/passwd of the image, line %d: %w", name, line,
			err)
	}
	if len(fields) > fieldHome && strings.HasPrefix(fields[fieldHome], "/") {
		got.Home = fields[fieldHome]
	}
	return got, fields[fieldName], nil
}

func (a Accounts) group(name string) (uint32, error) {
	if isNumber(name) {
		gid, err := parseID(name)
		if err != nil {
			return 0, fmt.Errorf("group %q: %w", name, err)
		}
		return gid, nil
	}
	line, fields := find(a.Group, fieldName, name, groupFields)
	if fields == nil {
		return 0, fmt.Errorf("group %q: is not in /etc/group of the image", name)
	}
	gid, err := parseID(fields[fieldID])
	if err != nil {
		return 0, fmt.Errorf("group %q: /etc/group of the image, line %d: %w", name, line, err)
	}
	return gid, nil
}

// groupsOf returns the groups that list a user, in the order of the file.
func (a Accounts) groupsOf(login string) (gids []uint32, err error) {
	seen := map[uint32]bool{}
	line := 0
	for text := range strings.Lines(string(a.Group)) {
		line++
		fields := split(text)
		if len(fields) <= fieldMembers || !slices.Contains(strings.Split(fields[fieldMembers], ","),
			login) {
			continue
		}
		gid, err := parseID(fields[fieldID])
		if err != nil {
			return nil, fmt.Errorf("user %q: /etc/group of the image, line %d: %w", login, line,
				err)
		}
		if !seen[gid] {
			seen[gid] = true
			gids = append(gids, gid)
		}
		if len(gids) > maxGroups {
			return nil, fmt.Errorf("user %q: is in more than %d groups of the image", login,
				maxGroups)
		}
	}
	return gids, nil
}

// find returns the first line that has want in a field, and its number. Lines
// with fewer fields than least are no accounts.
func find(file []byte, field int, want string, least int) (line int, fields []string) {
	for text := range strings.Lines(string(file)) {
		line++
		if f := split(text); len(f) >= least && f[field] == want {
			return line, f
		}
	}
	return 0, nil
}

// split returns the fields of a line, none of a comment.
func split(line string) []string {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return nil
	}
	return strings.Split(line, ":")
}

// isNumber reports whether a user or group is called by its number. Names do
// not consist of digits (useradd(8)).
func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func parseID(s string) (uint32, error) {
	if !isNumber(s) {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	id, err := strconv.ParseUint(s, 10, 32)
	if err != nil || id > maxID {
		return 0, fmt.Errorf("%s is larger than %d", s, maxID)
	}
	return uint32(id), nil
}
