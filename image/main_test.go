package image_test

import (
	"os"
	"testing"

	"github.com/ocikit/ocikit/internal/testmain"
)

func TestMain(m *testing.M) { os.Exit(testmain.Run(m)) }
