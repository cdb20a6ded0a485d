// Command link holds the interpreter and nothing else of interest:
// TestPositionIndependence links it to different addresses.
package main

import (
	"fmt"
	"os"

	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/plan"
)

func main() {
	p, err := stage.Lower(&plan.Plan{}, stage.Opened{})
	if err == nil {
		_, err = p.Start(stage.StartOptions{})
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
