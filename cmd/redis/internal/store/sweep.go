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
// Redis does: in each database look at 20 random keys that have a deadline,
// and go on as long as more than a quarter of them were dead. It takes the
// lock for one round at a time, so that commands run in between. It returns
// when few keys are dead or overtime says so; the next sweep begins with the
// database where this one stopped.
func (s *Store) Sweep(overtime func() bool) {
	for range s.dbs {
		for s.sweepRound() > sample/4 {
			if overtime() {
				return
			}
		}
		s.sweepAt = (s.sweepAt + 1) % len(s.dbs)
	}
}

// sweepRound samples the current database, and returns how many keys were
// dead.
func (s *Store) sweepRound() int {
	s.Lock()
	defer s.Unlock()
	db := &s.dbs[s.sweepAt]
	dead, now := 0, db.now()
	for range min(sample, len(db.volatile)) { // each round removes at most one
		if db.expire(db.volatile[rand.IntN(len(db.volatile))], now) {
			dead++
		}
	}
	return dead
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
