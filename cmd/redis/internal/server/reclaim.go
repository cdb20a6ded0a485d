package server

import "runtime/metrics"

// reclaim decides when memory goes back to the system. The Go runtime alone
// would wait until the heap grows again, or two minutes, and longer until it
// tells the system.
type reclaim struct {
	garbage uint64 // bytes removed since the last collection, an estimate
	quiet   int    // ticks since anything was removed
	again   bool   // the last collection came while keys were being removed
}

// due is called each tick with the bytes that were removed since the last, and
// the bytes in use with all garbage; it reports whether to collect now.
//
// It is time when half of what is used is garbage, so that collecting it costs
// no more than filling it did. And it is time when nothing more was removed
// for half a second: if part of what is used is garbage, or if a collection
// before could not get all.
func (r *reclaim) due(freed, used uint64) bool {
	r.garbage += freed
	r.quiet++
	if freed > 0 {
		r.quiet = 0
	}
	busy := r.garbage >= max(4<<20, used/2)
	settled := r.quiet == 5 && (r.again || r.garbage >= max(64<<10, used/16))
	if busy || settled {
		r.garbage, r.again = 0, busy
	}
	return busy || settled
}

// usedMemory returns the bytes of the heap's objects, garbage included.
func usedMemory() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
