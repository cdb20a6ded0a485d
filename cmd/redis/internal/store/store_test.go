package store

import (
	"fmt"
	"slices"
	"testing"
)

// clock is a time that a test sets.
type clock struct{ ms int }

func newStore() (*Store, *clock) {
	c := &clock{1000}
	return New(2, func() int { return c.ms }), c
}

// put makes a string key; it never expires if at is 0.
func put(db *DB, key string, at int) *Item {
	db.Set([]byte(key), []byte("v"), at)
	return db.Find([]byte(key))
}

func TestExpiryIsLazy(t *testing.T) {
	s, clock := newStore()
	db := &s.DBs[0]
	put(db, "stays", 0)
	put(db, "goes", 2000)
	clock.ms = 2000
	if db.Find([]byte("goes")) == nil {
		t.Error("a key is gone in the millisecond of its deadline")
	}
	clock.ms = 2001
	if db.Len() != 2 {
		t.Errorf("%d keys before anyone looks, want 2", db.Len())
	}
	if db.Find([]byte("goes")) != nil {
		t.Error("a key is there after its deadline")
	}
	if db.Find([]byte("stays")) == nil {
		t.Error("a key without a deadline is gone")
	}
	if db.Len() != 1 || db.Volatile() != 0 || s.Expired != 1 {
		t.Errorf("%d keys, %d with a deadline, %d expired; want 1, 0, 1", db.Len(), db.Volatile(),
			s.Expired)
	}
}

func TestDeadlines(t *testing.T) {
	s, clock := newStore()
	db := &s.DBs[0]
	var items []*Item
	for i := range 100 {
		items = append(items, put(db, fmt.Sprint(i), 2000+i))
	}
	for i := 0; i < 100; i += 2 {
		db.SetDeadline(items[i], 0)
	}
	db.SetDeadline(items[1], 9000) // changed
	db.SetDeadline(items[0], 0)    // already none
	if db.Volatile() != 50 {
		t.Fatalf("%d keys have a deadline, want 50", db.Volatile())
	}
	for i, item := range db.volatile {
		if item.slot != i || item.Deadline == 0 {
			t.Fatalf("slot %d holds %+v", i, item)
		}
	}
	clock.ms = 5000
	for range 50 { // the last few dead ones may take more than one sweep
		s.Sweep(func() bool { return false })
	}
	if db.Volatile() != 1 || items[1].Deadline != 9000 || db.Len() != 51 {
		t.Errorf("%d keys, %d with a deadline; want 51 and 1", db.Len(), db.Volatile())
	}
}

func TestSweepRemovesWithoutReads(t *testing.T) {
	s, clock := newStore()
	for i := range 20000 {
		put(&s.DBs[0], fmt.Sprint(i), 2000)
		put(&s.DBs[1], fmt.Sprint(i), 2000)
	}
	put(&s.DBs[0], "stays", 0)
	clock.ms = 3000
	s.Sweep(func() bool { return false })
	if s.DBs[0].Len() != 1 || s.DBs[1].Len() != 0 {
		t.Errorf("%d and %d keys are left, want 1 and 0", s.DBs[0].Len(), s.DBs[1].Len())
	}
	if c := cap(s.DBs[0].volatile); c > 1024 {
		t.Errorf("the list of keys with a deadline keeps room for %d", c)
	}
	if c := cap(s.DBs[0].items); c > 1024 {
		t.Errorf("the list of one key keeps room for %d", c)
	}
}

// TestSweepStopsWhenFewAreDead leaves a database alone where at most a quarter
// of a sample is dead, and stops when time is up.
func TestSweepStopsWhenFewAreDead(t *testing.T) {
	s, clock := newStore()
	for i := range 10000 {
		put(&s.DBs[0], fmt.Sprint(i), 2000+8000*min(1, i%20)) // one in twenty dies early
	}
	clock.ms = 3000
	for range 20 {
		s.Sweep(func() bool { return false })
	}
	if removed := 10000 - s.DBs[0].Len(); removed < 1 || removed > 250 {
		t.Errorf("%d of 500 dead keys were removed in 20 sweeps, want about 20", removed)
	}

	s, clock = newStore()
	for i := range 10000 {
		put(&s.DBs[0], fmt.Sprint(i), 2000)
	}
	clock.ms = 3000
	rounds := 0
	s.Sweep(func() bool { rounds++; return rounds == 3 })
	if removed := 10000 - s.DBs[0].Len(); removed != 3*sample {
		t.Errorf("%d keys removed in 3 rounds, want %d", removed, 3*sample)
	}
}

func TestScanSkipsTheDead(t *testing.T) {
	s, clock := newStore()
	db := &s.DBs[0]
	for i := range 100 {
		put(db, fmt.Sprint(i), 2000*(i%2))
	}
	clock.ms = 3000
	var keys []string
	if next := db.Scan(0, 1000, func(item *Item) { keys = append(keys, item.Key) }); next != 0 {
		t.Errorf("next cursor is %d", next)
	}
	slices.Sort(keys)
	if len(slices.Compact(keys)) != 50 || db.Len() != 50 {
		t.Errorf("%d keys visited, %d left, want 50", len(keys), db.Len())
	}
}

func TestShrunkDeletesEmptyValues(t *testing.T) {
	s, _ := newStore()
	db := &s.DBs[0]
	list := new(List)
	item := db.Add([]byte("l"), list)
	list.PushBack("a")
	list.PushBack("b")
	list.PopBack()
	db.Shrunk(item, 1)
	if db.Find([]byte("l")) == nil {
		t.Error("a list with an element was deleted")
	}
	list.PopBack()
	db.Shrunk(item, 1)
	if db.Find([]byte("l")) != nil {
		t.Error("an empty list is left")
	}
	db.Shrunk(nil, 0) // a key that was not there
}

// TestRemovedIsCounted looks at the count that says when memory is free.
func TestRemovedIsCounted(t *testing.T) {
	s, clock := newStore()
	db := &s.DBs[0]
	expect := func(what string, want int) {
		t.Helper()
		if s.Removed != want {
			t.Errorf("after %s %d are removed, want %d", what, s.Removed, want)
		}
		s.Removed = 0
	}
	put(db, "a", 0)
	expect("nothing", 0)
	db.Remove(db.Find([]byte("a")))
	expect("a removal", 1)
	put(db, "b", 2000)
	clock.ms = 3000
	db.Find([]byte("b"))
	expect("an expiry", 1)
	item := db.Add([]byte("l"), new(List))
	item.Value.(*List).PushBack("x")
	db.Shrunk(item, 5)
	expect("a shrink", 5)
	put(db, "c", 2000)
	db.Flush()
	expect("a flush", 2)
	if db.Len() != 0 || db.Volatile() != 0 {
		t.Error("a flush left something")
	}
}

// TestSweepOfFewKeys removes the last keys with a deadline in one round.
func TestSweepOfFewKeys(t *testing.T) {
	s, clock := newStore()
	db := &s.DBs[1]
	for i := range 3 {
		put(db, fmt.Sprint(i), 2000)
	}
	clock.ms = 2001
	if db.Now() != 2001 {
		t.Errorf("the time is %d", db.Now())
	}
	s.Sweep(func() bool { return false })
	if db.Len() != 0 {
		t.Errorf("%d keys are left", db.Len())
	}
}

func TestDatabasesAreSeparate(t *testing.T) {
	s, _ := newStore()
	put(&s.DBs[0], "a", 0)
	if len(s.DBs) != 2 || s.DBs[1].Find([]byte("a")) != nil || s.DBs[1].Len() != 0 {
		t.Error("a key is in two databases")
	}
}

// TestListGivesMemoryBack holds the library to what the package promises.
func TestListGivesMemoryBack(t *testing.T) {
	var list List
	for range 10000 {
		list.PushBack("x")
		list.PushFront("x")
	}
	for list.Len() > 10 {
		list.PopFront()
		list.PopBack()
	}
	if list.Cap() > 64 {
		t.Errorf("10 elements have room for %d", list.Cap())
	}
}
