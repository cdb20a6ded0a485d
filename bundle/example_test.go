package bundle_test

import (
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/ocikit/ocikit/bundle"
)

// A new bundle: the default configuration, changed and saved.
func ExampleSave() {
	dir, err := os.MkdirTemp("", "bundle-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	spec := bundle.Default()
	spec.Process.Args = []string{"echo", "hello"}
	spec.Process.Terminal = false
	if err := bundle.Save(dir, spec); err != nil {
		log.Fatal(err)
	}
	b, err := bundle.Load(dir)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(b.Spec.Process.Args, b.Rootfs() == dir+"/rootfs")
	// Output: [echo hello] true
}

// All problems are found at once, each with its place and its cure.
func ExampleParse() {
	_, err := bundle.Parse("config.json", []byte(`{
	"ociVersion": "1.3.0",
	"root": {"path": "rootfs"},
	"process": {
		"args": ["sh"],
		"cwd": "home"
	},
	"mounts": [
		{"destination": "/data", "source": "/srv", "options": ["rbind", "nosuidd"]}
	]
}`))
	var problems bundle.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			fmt.Println(p)
		}
	}
	// Output:
	// config.json:6:10: process.cwd: "home" is not an absolute path (begin it with a slash)
	// config.json:9:67: mounts[0].options[1]: unknown option "nosuidd" (did you mean "nosuid"?)
}

// Warnings tell what is ignored, but was probably meant.
func ExampleBundle_warnings() {
	b, err := bundle.Parse("config.json", []byte(`{
	"ociVersion": "1.3.0",
	"root": {"path": "rootfs", "readoly": true}
}`))
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range b.Warnings {
		fmt.Println(p)
	}
	// Output: config.json:3:29: root.readoly: unknown field, ignored (did you mean "readonly"?)
}

// A problem that is only found when the container is made.
func ExampleBundle_Problem() {
	b, err := bundle.Parse("config.json", []byte(`{"ociVersion": "1.3.0", "root": {"path": "rootfs"},
	"mounts": [{"destination": "/tmp", "type": "tempfs"}]}`))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(b.Problem("mounts[0].type", `the kernel has no file system "tempfs"`,
		"see /proc/filesystems"))
	// Output: config.json:2:45: mounts[0].type: the kernel has no file system "tempfs" (see /proc/filesystems)
}

// The file that exec takes as --process.
func ExampleParseProcess() {
	p, _, err := bundle.ParseProcess("process.json",
		[]byte(`{"args": ["ps"], "cwd": "/", "user": {"uid": 1000}}`))
	fmt.Println(p.Args, p.User.UID, err)
	_, _, err = bundle.ParseProcess("process.json",
		[]byte(`{"args": ["ps"], "cwd": "/", "user": {"uid": "1000"}}`))
	fmt.Println(err)
	// Output:
	// [ps] 1000 <nil>
	// process.json:1:46: user.uid: must be a whole number, and is a string (remove the quotes)
}
