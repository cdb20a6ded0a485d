// Package dbus stands in for the one of the same name, which talks to systemd. The cgroups library names Property in its configuration, and
// uses it in its systemd driver only, which is not part of this project's programs. The real package brings D-Bus, the network and
// cryptography, which would be made ready at each start of a command.
package dbus

// Property has no use.
type Property struct{}
