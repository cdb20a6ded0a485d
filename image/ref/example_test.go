package ref_test

import (
	"fmt"

	"github.com/ocikit/ocikit/image/ref"
)

func ExampleParse() {
	for _, s := range []string{"alpine", "localhost:5000/team/app:1.2", "oci:layouts/app:latest",
		"Alpine"} {
		r, err := ref.Parse(s)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(r, r.Base(), r.IsLoopback())
	}
	// Output:
	// docker.io/library/alpine:latest alpine false
	// localhost:5000/team/app:1.2 app true
	// oci:layouts/app:latest app false
	// image name "Alpine": repository "Alpine": must be lower case
}
