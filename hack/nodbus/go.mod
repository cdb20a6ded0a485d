// What hack/build puts in the place of a module that the cgroups library names in one type and that this project does not use: see
// docs/decisions/0017.
module github.com/coreos/go-systemd/v22

go 1.26.0
