package store

import "math/rand/v2"

// sample is how many keys a round of the sweep looks at, Redis's number.
const sample = 20

// Rough means of what a key, and an element of a value, cost beside their own
// bytes.
const (
	keyBytes     = 200
	elementBytes = 64
)

// Sweep removes keys past their deadline without anyone reading them, as
// Redis does: in each database look at 20 keys that have a deadline, and go on
// as long as more than a quarter of them were dead. It begins at a random key,
// and goes on with its neighbours: keys that were set together mostly die
// together, and lie together in memory, which makes a removal twice as fast.
//
// It takes the lock for 20 keys at a time, so that commands run in between. It
// returns when few keys are dead or overtime says so; the next sweep begins
// with the database where this one stopped.
func (s *Store) Sweep(overtime func() bool) {
	for range s.dbs {
		at := -1
		for {
			var dead int
			dead, at = s.sweepRound(at)
			if dead <= sample/4 {
				break
			}
			if overtime() {
				return
			}
		}
		s.sweepAt = (s.sweepAt + 1) % len(s.dbs)
	}
}

// sweepRound looks at a sample of the current database from place at of its
// volatile items downwards, or from a random place if at is negative. It
// returns how many keys were dead, and where to go on.
func (s *Store) sweepRound(at int) (dead, next int) {
	s.Lock()
	defer s.Unlock()
	db := &s.dbs[s.sweepAt]
	if n := len(db.volatile); at < 0 && n > 0 {
		at = rand.IntN(n)
	}
	now := db.now()
	for range min(sample, len(db.volatile)) { // removes at most one each
		if at < 0 || at >= len(db.volatile) {
			at = len(db.volatile) - 1
		}
		if db.expire(db.volatile[at], now) {
			dead++
		}
		at-- // what a removal moved here comes from the end
	}
	return dead, max(0, at)
}

// TakeFreed returns an estimate of the bytes that were removed since the last
// call: what a garbage collection could give back to the system. It takes the
// lock.
func (s *Store) TakeFreed() uint64 {
	s.Lock()
	defer s.Unlock()
	freed := s.freed
	s.freed = 0
	return freed
}

// size estimates the bytes of an item.
func (item *Item) size() uint64 {
	return keyBytes + uint64(len(item.row.Key)+cap(item.Str)) + elementBytes*uint64(items(item.Obj))
}

// items returns the number of elements in a value that is not a string.
func items(obj any) int {
	if v, ok := obj.(interface{ Len() int }); ok {
		return v.Len()
	}
	return 0
}
