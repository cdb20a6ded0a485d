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

// DB is one keyspace. All methods need the store's lock.
type DB struct {
	store    *Store
	keys     Table[Item]
	volatile []*Item // the items with a deadline, in no order
}

// Item is a key with its value.
type Item struct {
	Value    Value
	Deadline int // milliseconds since 1970; 0 for none; [DB.SetDeadline] sets it

	row  *Row[Item] // whose Value this is
	slot int        // place in DB.volatile, if there is a deadline
}

// New returns a store of empty databases. now is the time in milliseconds
// since 1970.
func New(databases int, now func() int) *Store {
	s := &Store{DBs: make([]DB, databases), now: now}
	for i := range s.DBs {
		s.DBs[i].store = s
	}
	return s
}

// Now returns the time in milliseconds since 1970.
func (db *DB) Now() int { return db.store.now() }

// Len returns the number of keys, dead ones that nobody has looked at
// included.
func (db *DB) Len() int { return db.keys.Len() }

// Volatile returns the number of keys with a deadline.
func (db *DB) Volatile() int { return len(db.volatile) }

// Find returns the item of key, or nil. A key past its deadline is removed.
func (db *DB) Find(key []byte) *Item {
	row := db.keys.Find(key)
	if row == nil || row.Value.Deadline != 0 && db.expire(&row.Value, db.Now()) {
		return nil
	}
	return &row.Value
}

// Has reports whether there is an item of key.
func (db *DB) Has(key []byte) bool { return db.Find(key) != nil }

// Add makes an item. Precondition: there is none of that key.
func (db *DB) Add(key []byte, value Value) *Item {
	row := db.keys.add(string(key))
	row.Value = Item{Value: value, row: row}
	return &row.Value
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
	db.SetDeadline(item, deadline)
}

// Remove deletes an item. Precondition: it is in the database.
func (db *DB) Remove(item *Item) {
	db.store.Removed++
	db.SetDeadline(item, 0)
	db.keys.Remove(item.row)
}

// Delete deletes the item of key, and reports whether there was one.
func (db *DB) Delete(key []byte) bool {
	item := db.Find(key)
	if item != nil {
		db.Remove(item)
	}
	return item != nil
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
	db.keys, db.volatile = Table[Item]{}, nil
}

// Scan walks the keys that are alive, as [Table.Scan] does.
func (db *DB) Scan(cursor uint64, count int, visit func(key string, item *Item)) uint64 {
	now := db.Now()
	return db.keys.Scan(cursor, count, func(row *Row[Item]) {
		if key, item := row.Key, &row.Value; !db.expire(item, now) {
			visit(key, item)
		}
	})
}

// SetDeadline makes item die after the given time, in milliseconds since
// 1970, or never if it is 0.
func (db *DB) SetDeadline(item *Item, at int) {
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
	db.Remove(item)
	return true
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
