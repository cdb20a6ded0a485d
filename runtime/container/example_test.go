package container_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/runtime/container"
)

// A container is created, started, waited for and deleted.
func Example() {
	ctx := context.Background()
	store, err := container.OpenStore("/run/example")
	if err != nil {
		log.Fatal(err)
	}
	b, err := bundle.Load("/path/to/bundle")
	if err != nil {
		log.Fatal(err) // every problem of config.json, with its line
	}
	c, init, err := container.Create(ctx, container.Options{Store: store, ID: "web", Bundle: b})
	if err != nil {
		log.Fatal(err) // nothing is left
	}
	defer c.Close()
	defer init.Close()
	if err := c.Start(ctx); err != nil {
		log.Fatal(err)
	}
	status, err := init.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("exit status", status)
	if _, err := c.Delete(ctx, false); err != nil {
		log.Fatal(err)
	}
}

// The output of a program is captured: it gets one end of a pipe.
func ExampleRun() {
	ctx := context.Background()
	store, err := container.OpenStore("/run/example")
	if err != nil {
		log.Fatal(err)
	}
	b, err := bundle.Load("/path/to/bundle")
	if err != nil {
		log.Fatal(err)
	}
	out, w, err := os.Pipe()
	if err != nil {
		log.Fatal(err)
	}
	defer out.Close()
	c, init, err := container.Run(ctx, container.Options{Store: store, ID: "hello", Bundle: b,
		IO: container.IO{Stdio: [3]*os.File{nil, w, w}}}) // and /dev/null as standard input
	w.Close() // so that the output ends with the program
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	defer init.Close()
	var output bytes.Buffer
	if _, err := io.Copy(&output, out); err != nil {
		log.Fatal(err)
	}
	status, err := init.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(status, output.String())
	if _, err := c.Delete(ctx, false); err != nil {
		log.Fatal(err)
	}
}

// Another program runs in a container that runs, as its own process does but
// for the arguments.
func ExampleContainer_Exec() {
	ctx := context.Background()
	store, err := container.OpenStore("/run/example")
	if err != nil {
		log.Fatal(err)
	}
	c, err := store.Load("web")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	spec, err := c.JoinSpec()
	if err != nil {
		log.Fatal(err)
	}
	process := *spec.Process
	process.Args = []string{"ls", "/"}
	joined, err := c.Exec(ctx, container.ExecOptions{Process: &process,
		IO: container.IO{Stdio: [3]*os.File{os.Stdin, os.Stdout, os.Stderr}}})
	if err != nil {
		log.Fatal(err)
	}
	defer joined.Close()
	if _, err := joined.Wait(ctx); err != nil {
		log.Fatal(err)
	}
}

// A container is asked to end, and killed if it does not within ten seconds.
func ExampleContainer_Kill() {
	stop := func(ctx context.Context, c *container.Container, init *container.Process) error {
		if err := c.Kill(unix.SIGTERM); err != nil {
			return err
		}
		patience, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if _, err := init.Wait(patience); err == nil {
			return nil
		}
		if err := c.Kill(unix.SIGKILL); err != nil {
			return err
		}
		_, err := init.Wait(ctx)
		return err
	}
	_ = stop
}

// A server waits for many containers, and goes on serving them: no wait holds a
// thread, and a container may be used while it is waited for.
func ExampleProcess_Wait() {
	var bundles []*bundle.Bundle // loaded before
	store, err := container.OpenStore("/run/example")
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel() // ends the waits; the containers go on
	ended := make(chan string)
	for i, b := range bundles {
		id := fmt.Sprintf("worker-%d", i)
		c, init, err := container.Run(ctx, container.Options{Store: store, ID: id, Bundle: b})
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer c.Close()
			defer init.Close()
			status, err := init.Wait(ctx)
			if err == nil {
				_, err = c.Delete(ctx, false)
			}
			ended <- fmt.Sprintln(id, status, err)
		}()
	}
	for range bundles {
		fmt.Print(<-ended)
	}
}
