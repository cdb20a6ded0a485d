package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/ocikit/ocikit/image"
	"github.com/ocikit/ocikit/internal/printable"
)

// progress shows the progress of a pull: bars on a terminal, lines elsewhere,
// nothing if quiet.
type progress struct {
	out   io.Writer
	start time.Time

	mu    sync.Mutex
	img   *image.Image
	total *mpb.Progress // nil when there are no bars
	bars  []*mpb.Bar
}

func newProgress(quiet bool, out *os.File) *progress {
	p := &progress{out: out, start: time.Now()}
	if quiet {
		p.out = io.Discard
	} else if term.IsTerminal(int(out.Fd())) {
		p.total = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40),
			mpb.WithRefreshRate(100*time.Millisecond))
	}
	return p
}

// found is called when the image is known.
func (p *progress) found(img *image.Image) {
	layers := img.Manifest.Layers
	p.img = img
	fmt.Fprintf(p.out, "%s: %s for %s, %d layers, %s\n",
		img.Ref, img.ManifestDigest, printable.Text(image.FormatPlatform(img.Config.Platform)),
		len(layers), formatSize(imageSize(img)))
	if p.total == nil {
		return
	}
	for _, l := range layers {
		p.bars = append(p.bars, p.total.AddBar(l.Size,
			mpb.PrependDecorators(decor.Name(l.Digest.Encoded()[:12]+" ")),
			mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f"))))
	}
}

// layer is called often, from several goroutines.
func (p *progress) layer(e image.Event) {
	switch {
	case e.Pass > 1:
	case p.total != nil && e.Done:
		p.bars[e.Layer].SetTotal(e.Size, true)
	case p.total != nil:
		p.bars[e.Layer].SetCurrent(e.Read)
	case e.Done:
		p.mu.Lock()
		defer p.mu.Unlock()
		fmt.Fprintf(p.out, "layer %d of %d: %s, %s\n",
			e.Layer+1, len(p.img.Manifest.Layers),
			p.img.Manifest.Layers[e.Layer].Digest, formatSize(e.Size))
	}
}

// end removes the bars. If all went well, the last of them is drawn first.
func (p *progress) end(ok bool) {
	if p.total == nil {
		return
	}
	if !ok {
		p.total.Shutdown()
		return
	}
	for _, b := range p.bars {
		b.SetTotal(-1, true)
	}
	p.total.Wait()
}

func (p *progress) summary(path string, pulled *image.Pulled) {
	fmt.Fprintf(p.out, "%s: %s of files, %.1f s\n", path, formatSize(pulled.Bytes),
		time.Since(p.start).Seconds())
}

// imageSize returns how many bytes of layers there are to fetch.
func imageSize(img *image.Image) (n int64) {
	for _, l := range img.Manifest.Layers {
		n += l.Size
	}
	return n
}
