// Package store holds the data of the server: databases of keys with values of
// five types, and the expiry of keys.
//
// # One mutex
//
// A [Store] has one mutex around plain maps, and callers hold it while they use
// anything that belongs to the store. That was measured. On two cores,
// splitting the keys over several locks gained nothing: a request spends its
// time in the kernel's socket code, and holds the lock for a fraction of a
// microsecond. A sync.Map in place of map and mutex made a pipelined request
// cost 1.4 to 2 times the CPU, because it is built for keys that are written
// once and read by many. One mutex also makes every command atomic, which is
// what Redis promises.
//
// # Expiry
//
// A key with a deadline is removed when it is next looked at ([DB.Find]), or by
// the sweep ([Store.Sweep]) if nobody looks. After a large shrink, lists and
// maps move to a smaller allocation (a Go map never gives memory back), so that
// memory falls without any reads.
//
// The package reads no clock and starts no goroutine: time is a parameter.
package store

import (
	"math/rand/v2"
	"sync"
)

// sample is how many keys a round of the sweep looks at, Redis's number.
const sample = 20

// Store is a fixed number of databases under one lock.
type Store struct {
	sync.Mutex
	DBs     []DB
	Expired int // keys that reached their deadline
	Removed int // keys and elements of values, for whatever reason
	now     func() int
	sweepAt int // the database where the next sweep begins
}

// DB is one keyspace: a map, and its items in a list, where SCAN can go on. All
// methods need the store's lock.
type DB struct {
	store    *Store
	index    map[string]*Item
	items    []*Item // in no order: a removal moves the last one into the gap
	volatile []*Item // those with a deadline, likewise
	peak     int     // most items since index was made
}

// Item is a key with its value.
type Item struct {
	Key      string
	Value    Value
	Deadline int // milliseconds since 1970; 0 for none; [DB.SetDeadline] sets it

	place, slot int // where it is in DB.items and DB.volatile
}

// New returns a store of empty databases. now is the time in milliseconds
// since 1970.
func New(databases int, now func() int) *Store {
	s := &Store{DBs: make([]DB, databases), now: now}
	for i := range s.DBs {
		s.DBs[i] = DB{store: s, index: map[string]*Item{}}
	}
	return s
}

// Now returns the time in milliseconds since 1970.
func (db *DB) Now() int { return db.store.now() }

// Len returns the number of keys, dead ones that nobody has looked at
// included.
func (db *DB) Len() int { return len(db.items) }

// Volatile returns the number of keys with a deadline.
func (db *DB) Volatile() int { return len(db.volatile) }

// Find returns the item of key, or nil. A key past its deadline is removed.
func (db *DB) Find(key []byte) *Item {
	item := db.index[string(key)]
	if item == nil || item.Deadline != 0 && db.expire(item, db.Now()) {
		return nil
	}
	return item
}

// Has reports whether there is an item of key.
func (db *DB) Has(key []byte) bool { return db.Find(key) != nil }

// Add makes an item. Precondition: there is none of that key.
func (db *DB) Add(key []byte, value Value) *Item {
	item := &Item{Key: string(key), Value: value, place: len(db.items)}
	db.index[item.Key] = item
	db.items = append(db.items, item)
	db.peak = max(db.peak, len(db.items))
	return item
}

// Set makes key a string. It keeps the memory of the one before if value fits
// without wasting much of it.
func (db *DB) Set(key, value []byte, deadline int) {
	item := db.Find(key)
	if item == nil {
		item = db.Add(key, nil)
	}
	str, isString := item.Value.(*String)
	if !isString || cap(*str) < len(value) || cap(*str) > 64+2*len(value) {
		str = &String{}
		item.Value = str
	}
	*str = append((*str)[:0], value...)
	db.setDeadline(item, deadline) // as in Redis, one in the past shows when the key is looked at
}

// Remove deletes an item of the database, and reports whether it is one: nil is
// none.
func (db *DB) Remove(item *Item) bool {
	if item == nil {
		return false
	}
	db.store.Removed++
	db.setDeadline(item, 0)
	delete(db.index, item.Key)
	last := db.items[len(db.items)-1]
	db.items[item.place], last.place = last, item.place
	db.items = cut(db.items)
	if shrunk(len(db.items), db.peak) {
		db.index, db.peak = make(map[string]*Item, len(db.items)), len(db.items)
		for _, item := range db.items {
			db.index[item.Key] = item
		}
	}
	return true
}

// Shrunk is called after n elements were removed from an item's value: it
// deletes the key when nothing is left. item may be nil if there was none.
func (db *DB) Shrunk(item *Item, n int) {
	db.store.Removed += n
	if item != nil && item.Value.Len() == 0 {
		db.Remove(item)
	}
}

// Flush removes all keys.
func (db *DB) Flush() {
	db.store.Removed += db.Len()
	*db = DB{store: db.store, index: map[string]*Item{}}
}

// Scan calls visit for those of up to count items that are alive, and returns
// the cursor for the next call. The walk begins with cursor 0 and has ended
// when it returns 0. It goes from the last item to the first: a removal moves
// only the last one, which was visited already or goes to a place still to
// come. So each item that stays for the whole walk is visited at least once.
// visit must not change the database.
func (db *DB) Scan(cursor uint64, count int, visit func(item *Item)) uint64 {
	i, now := uint64(len(db.items)), db.Now()
	if cursor != 0 {
		i = min(i, cursor)
	}
	for ; i > 0 && count > 0; count-- {
		i--
		if item := db.items[i]; !db.expire(item, now) {
			visit(item)
		}
	}
	return i
}

// SetDeadline makes item die after the given time, in milliseconds since
// 1970, or never if it is 0. A time in the past removes it at once.
func (db *DB) SetDeadline(item *Item, at int) {
	if at != 0 && at <= db.Now() {
		db.Remove(item)
	} else {
		db.setDeadline(item, at)
	}
}

func (db *DB) setDeadline(item *Item, at int) {
	switch {
	case at != 0 && item.Deadline == 0:
		item.slot = len(db.volatile)
		db.volatile = append(db.volatile, item)
	case at == 0 && item.Deadline != 0:
		db.volatile[item.slot] = db.volatile[len(db.volatile)-1]
		db.volatile[item.slot].slot = item.slot
		db.volatile = cut(db.volatile)
	}
	item.Deadline = at
}

// expire removes item if its time has come, and reports whether it had.
func (db *DB) expire(item *Item, now int) bool {
	if item.Deadline == 0 || now <= item.Deadline {
		return false
	}
	db.store.Expired++
	return db.Remove(item)
}

// Sweep removes keys past their deadline without anyone reading them, as
// Redis does: in each database look at 20 keys that have a deadline, and go on
// as long as more than a quarter of them were dead. It takes the lock for 20
// keys at a time, so that commands run in between. It returns when few keys
// are dead or overtime says so; the next sweep begins with the database where
// this one stopped.
//
// It begins at a random key and goes on with its neighbours: keys that were set
// together mostly die together, and lie together in memory, which makes
// removals nearly twice as fast.
func (s *Store) Sweep(overtime func() bool) {
	for range s.DBs {
		for at, dead := int(rand.Int32()), sample; dead > sample/4; {
			if at, dead = s.sweepRound(at); overtime() {
				return
			}
		}
		s.sweepAt = (s.sweepAt + 1) % len(s.DBs)
	}
}

// sweepRound looks at a sample of the keys, downwards from place at. It
// returns where to go on, and how many were dead.
func (s *Store) sweepRound(at int) (next, dead int) {
	s.Lock()
	defer s.Unlock()
	db, now := &s.DBs[s.sweepAt], s.now()
	for range min(sample, len(db.volatile)) { // removes at most one each
		at = (at + len(db.volatile)) % len(db.volatile)
		if db.expire(db.volatile[at], now) {
			dead++
		}
		at-- // what a removal moved here comes from the end
	}
	return at, dead
}

// cut removes the last element of s, and moves s to a smaller allocation after
// a large shrink.
func cut[T any](s []T) []T {
	clear(s[len(s)-1:])
	s = s[:len(s)-1]
	if shrunk(len(s), cap(s)) {
		s = append(make([]T, 0, 2*len(s)), s...)
	}
	return s
}

// shrunk reports whether a container that held peak entries and holds n now
// should move to a smaller place. The factor makes the cost of moving n
// entries small against that of the removals before it.
func shrunk(n, peak int) bool { return peak >= 1024 && n <= peak/8 }
