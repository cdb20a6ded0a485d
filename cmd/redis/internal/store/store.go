// Package store holds the data of the server: databases of keys with values
// of five types, and the clockwork that lets keys die.
//
// # One mutex
//
// A [Store] has one mutex around plain maps, and callers hold it while they
// use anything that belongs to the store. That is measured, not laziness. On
// two cores, splitting the keys over several locks gained nothing: a request
// spends its time in the kernel's socket code, and holds the lock for a
// fraction of a microsecond. A sync.Map in place of map and mutex made a
// pipelined request cost 1.4 to 2 times the CPU, as it is built for keys that
// are written once and read by many, and this is the opposite. It also makes
// every command atomic, which is what Redis promises.
//
// # Expiry
//
// A key with a deadline is removed when it is next looked at ([DB.Find]), or
// by the sweep ([Store.Sweep]) if nobody looks. Either way containers shrink
// with what is in them, so that memory falls without any reads.
//
// The package reads no clock and starts no goroutine: time is a parameter.
package store

import (
	"math"
	"sync"
)

// Store is a fixed number of databases under one lock.
type Store struct {
	sync.Mutex
	dbs     []DB
	sweepAt int // the database where the next sweep begins
	expired uint64
	freed   uint64
}

// DB is one keyspace. All methods need the store's lock.
type DB struct {
	store    *Store
	now      func() int64
	keys     Table[Item]
	volatile []*Item // the items with a deadline, in no order
}

// Item is a key with its value.
type Item struct {
	Str []byte // the value, if it is a string
	Obj any    // otherwise *List, *Set, *Hash or *ZSet; nil for a string

	row      *Row[Item] // whose Value this is
	deadline int64      // milliseconds since 1970; 0 for none
	slot     int        // place in DB.volatile, if there is a deadline
}

// Set is the value of a set key.
type Set = Table[struct{}]

// Hash is the value of a hash key.
type Hash = Table[string]

// New returns a store of empty databases. now is the time in milliseconds
// since 1970.
func New(databases int, now func() int64) *Store {
	s := &Store{dbs: make([]DB, databases)}
	for i := range s.dbs {
		s.dbs[i] = DB{store: s, now: now}
	}
	return s
}

// Databases returns their number.
func (s *Store) Databases() int { return len(s.dbs) }

// DB returns database i.
func (s *Store) DB(i int) *DB { return &s.dbs[i] }

// Expired returns the number of keys that reached their deadline so far.
func (s *Store) Expired() uint64 { return s.expired }

// Now returns the time in milliseconds since 1970.
func (db *DB) Now() int64 { return db.now() }

// Len returns the number of keys, dead ones that nobody has looked at
// included.
func (db *DB) Len() int { return db.keys.Len() }

// Volatile returns the number of keys with a deadline.
func (db *DB) Volatile() int { return len(db.volatile) }

// Find returns the item of key, or nil. A key past its deadline is removed.
func (db *DB) Find(key []byte) *Item {
	row := db.keys.Find(key)
	if row == nil {
		return nil
	}
	if item := &row.Value; item.deadline == 0 || !db.expire(item, db.now()) {
		return item
	}
	return nil
}

// Add makes an item with an empty string as its value. Precondition: there is
// no item of that key.
func (db *DB) Add(key []byte) *Item {
	row := db.keys.Add(string(key))
	row.Value.row = row
	return &row.Value
}

// Remove deletes key, and reports whether it was there and alive.
func (db *DB) Remove(key []byte) bool {
	item := db.Find(key)
	if item != nil {
		db.remove(item)
	}
	return item != nil
}

// Removed is called after n elements were removed from an item's value: it
// notes the memory, and deletes the key when nothing is left. item may be nil
// if there was none.
func (db *DB) Removed(item *Item, n int) {
	db.store.freed += uint64(n) * elementBytes
	if item != nil && items(item.Obj) == 0 {
		db.remove(item)
	}
}

// Flush removes all keys. It takes no time to add up what that frees, and
// counts it as more than there can be.
func (db *DB) Flush() {
	if db.Len() > 0 {
		db.store.freed = math.MaxUint64 / 2
	}
	db.keys, db.volatile = Table[Item]{}, nil
}

// Scan walks the keys that are alive, as [Table.Scan] does.
func (db *DB) Scan(cursor uint64, count int, visit func(key string, item *Item)) uint64 {
	now := db.now()
	return db.keys.Scan(cursor, count, func(row *Row[Item]) {
		if key, item := row.Key, &row.Value; !db.expire(item, now) {
			visit(key, item)
		}
	})
}

// Deadline returns when item dies, in milliseconds since 1970, or 0.
func (item *Item) Deadline() int64 { return item.deadline }

// SetDeadline makes item die after the given time, in milliseconds since
// 1970, or never if it is 0.
func (db *DB) SetDeadline(item *Item, at int64) {
	switch {
	case at != 0 && item.deadline == 0:
		item.slot = len(db.volatile)
		db.volatile = append(db.volatile, item)
	case at == 0 && item.deadline != 0:
		db.forget(item)
	}
	item.deadline = at
}

// remove deletes an item that is in the database.
func (db *DB) remove(item *Item) {
	db.store.freed += item.size()
	db.SetDeadline(item, 0)
	db.keys.Remove(item.row)
}

// expire removes item if its time has come, and reports whether it had.
func (db *DB) expire(item *Item, now int64) bool {
	if item.deadline == 0 || now <= item.deadline {
		return false
	}
	db.store.expired++
	db.remove(item)
	return true
}

// forget takes item out of the list of those with a deadline.
func (db *DB) forget(item *Item) {
	last := len(db.volatile) - 1
	moved := db.volatile[last]
	db.volatile[item.slot] = moved
	moved.slot = item.slot
	db.volatile[last] = nil
	db.volatile = db.volatile[:last]
	if shrunk(last, cap(db.volatile)) {
		db.volatile = append(make([]*Item, 0, 2*last), db.volatile...)
	}
}
