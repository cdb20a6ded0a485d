package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	specv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ocikit/ocikit/hack/bench/synthetic"
)

// picture is an image that is pulled.
type picture struct {
	name  string
	title string
	share int    // of the rounds
	space uint64 // for one tool's stores and directories
	make  func(l *lab, dir string) error
}

// pictures lists the images, from the smallest up.
var pictures = []picture{
	{"small", "small image (busybox, 1 layer)", 5, 1 << 30, packSmall},
	{"medium", "medium image (Debian's minimal system, 5 layers)", 20, 2 << 30,
		func(l *lab, dir string) error {
			_, err := once("hack/bench/minbase", dir, l.imageTool())
			return err
		}},
	{"large", "large image (1 GiB, 8 uneven layers, made up)", 33, 4 << 30,
		func(_ *lab, dir string) error {
			return synthetic.Write(dir, runtime.GOARCH, synthetic.Large)
		}},
}

// imagesVersion changes with what the images that are kept are made of.
const imagesVersion = "1"

func (l *lab) imageTool() string { return filepath.Join(l.bin, "image") }

// packSmall makes an image of one program.
func packSmall(l *lab, dir string) error {
	base, err := l.directory("busybox")
	if err != nil {
		return err
	}
	for _, d := range []string{"bin", "dev", "proc", "sys", "tmp"} {
		if err := os.Mkdir(filepath.Join(base, d), 0o755); err != nil {
			return err
		}
	}
	program, err := os.ReadFile(filepath.Join(l.rootfs, "bin/true"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(base, "bin/true"), program, 0o755); err != nil {
		return err
	}
	cmd := exec.Command(l.imageTool(), "pack", "--cmd", "/bin/true", dir, base)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000")
	_, err = onceWith(cmd)
	return err
}

// layout is the directory of an image's OCI layout, which is made when it is
// missing. The small one is new each time: it is our busybox.
func (l *lab) layout(p picture) (string, error) {
	dir := filepath.Join(l.cache, "images-"+imagesVersion, p.name)
	if p.name == "small" {
		dir = filepath.Join(l.work, "images", p.name)
	}
	if exists(filepath.Join(dir, "index.json")) {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	return dir, p.make(l, dir)
}

// registry serves one image on loopback.
type registry struct {
	cmd    *exec.Cmd
	host   string
	name   string
	layers []specv1.Descriptor
}

// serve starts a registry, whose files are in the page cache.
func (l *lab) serve(p picture) (*registry, error) {
	dir, err := l.layout(p)
	if err != nil {
		return nil, err
	}
	r := &registry{name: p.name}
	if r.layers, err = layersOf(dir); err != nil {
		return nil, err
	}
	r.cmd = exec.Command(l.imageTool(), "serve", dir)
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	at := strings.Index(line, "127.0.0.1:")
	if err != nil || at < 0 {
		return nil, errors.Join(fmt.Errorf("image serve printed %q, no address: %w", line, err),
			r.stop())
	}
	r.host = strings.Trim(strings.Fields(line[at:])[0], "/,")
	return r, nil
}

// ref is the image's name.
func (r *registry) ref() string { return r.host + "/" + r.name + ":latest" }

// describe says what is pulled.
func (r *registry) describe() string {
	size := int64(0)
	for _, d := range r.layers {
		size += d.Size
	}
	return fmt.Sprintf("%d layers, %.1f MiB compressed.", len(r.layers), float64(size)/(1<<20))
}

func (r *registry) stop() error {
	err := r.cmd.Process.Signal(syscall.SIGTERM)
	_ = r.cmd.Wait() // how it ends does not matter
	return err
}

// layersOf reads the layers of the only image of a layout, every byte of them.
func layersOf(dir string) ([]specv1.Descriptor, error) {
	var index specv1.Index
	if err := readJSON(filepath.Join(dir, "index.json"), &index); err != nil {
		return nil, err
	}
	if len(index.Manifests) != 1 {
		return nil, fmt.Errorf("%s has %d images, not one", dir, len(index.Manifests))
	}
	blob := func(d specv1.Descriptor) string {
		return filepath.Join(dir, "blobs", d.Digest.Algorithm().String(), d.Digest.Encoded())
	}
	var m specv1.Manifest
	if err := readJSON(blob(index.Manifests[0]), &m); err != nil {
		return nil, err
	}
	for _, d := range m.Layers {
		f, err := os.Open(blob(d))
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(io.Discard, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
	return m.Layers, nil
}

func readJSON(file string, v any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
