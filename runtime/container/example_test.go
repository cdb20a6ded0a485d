package container_test

import (
	"context"
	"fmt"
	"log"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/runtime/container"
	"github.com/ocikit/ocikit/runtime/state"
)

// A bundle is run in the foreground: its program has this process's standard
// input, output and error.
func ExampleRun() {
	store, err := state.Open(state.DefaultRoot(0, ""))
	if err != nil {
		log.Fatal(err)
	}
	b, err := bundle.Load("/path/to/bundle")
	if err != nil {
		log.Fatal(err) // every problem of config.json, with its line
	}
	c, process, err := container.Run(context.Background(), container.Options{Store: store,
		ID: "hello", Bundle: b})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	status, err := process.Wait(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Delete(context.Background(), false); err != nil {
		log.Fatal(err)
	}
	fmt.Println("exit status", status)
}

// A container that one process has created is started, entered and ended by
// others, which find it by its id.
func ExampleLoad() {
	store, err := state.Open(state.DefaultRoot(0, ""))
	if err != nil {
		log.Fatal(err)
	}
	c, err := container.Load(store, "hello")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := c.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	b, err := c.Bundle()
	if err != nil {
		log.Fatal(err)
	}
	process := *b.Spec.Process
	process.Args = []string{"ls", "/"}
	joined, err := c.Exec(context.Background(), container.ExecOptions{Process: &process})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := joined.Wait(context.Background()); err != nil {
		log.Fatal(err)
	}
	if err := c.Kill(unix.SIGTERM); err != nil {
		log.Fatal(err)
	}
}
