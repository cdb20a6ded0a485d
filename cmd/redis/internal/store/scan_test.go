package store

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestScanSeesWhatStays changes a database during a walk: every key that is
// there all the time must be visited.
func TestScanSeesWhatStays(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 200 {
		s, _ := newStore()
		db := &s.DBs[0]
		n := 1 + random.IntN(300)
		for i := range n {
			put(db, fmt.Sprint(i), 0)
		}
		seen := map[string]bool{}
		var cursor uint64
		for {
			cursor = db.Scan(cursor, 1+random.IntN(20), func(item *Item) {
				seen[item.Key] = true
			})
			if cursor == 0 {
				break
			}
			for range random.IntN(10) {
				i := random.IntN(2 * n)
				if i%3 == 0 {
					continue // stays
				}
				if random.IntN(3) > 0 {
					db.Remove(db.Find(fmt.Append(nil, i)))
				} else {
					put(db, fmt.Sprint(i), 0)
				}
			}
		}
		for i := 0; i < n; i += 3 {
			if !seen[fmt.Sprint(i)] {
				t.Fatalf("round %d: %d of %d was not visited", round, i, n)
			}
		}
	}
}

// TestScanRemovesTheDead walks over keys half of which die on the way.
func TestScanRemovesTheDead(t *testing.T) {
	s, clock := newStore()
	db := &s.DBs[0]
	for i := range 100 {
		put(db, fmt.Sprint(i), 2000*(i%2))
	}
	clock.ms = 3000
	visits := 0
	for cursor := uint64(0); ; {
		cursor = db.Scan(cursor, 7, func(*Item) { visits++ })
		if cursor == 0 {
			break
		}
	}
	if visits < 50 || visits > 100 || db.Len() != 50 {
		t.Errorf("%d visits, %d keys left, want at least 50 and 50", visits, db.Len())
	}
	visits = 0
	if next := db.Scan(1<<40, 1000, func(*Item) { visits++ }); next != 0 || visits != 50 {
		t.Errorf("a cursor beyond the end: next is %d after %d visits", next, visits)
	}
}

// TestDatabaseIsAMap runs random changes on a database and on a map.
func TestDatabaseIsAMap(t *testing.T) {
	s, _ := newStore()
	db := &s.DBs[0]
	model := map[string]string{}
	randomChanges(t, model, func(key, value []byte) bool {
		isNew := !db.Has(key)
		db.Set(key, value, 0)
		return isNew
	}, func(key []byte) bool { return db.Remove(db.Find(key)) }, db.Len)
	for key, want := range model {
		item := db.Find([]byte(key))
		if item == nil || item.Key != key || string(*item.Value.(*String)) != want ||
			db.items[item.place] != item {
			t.Errorf("Find(%s) = %v, want %s", key, item, want)
		}
	}
	if db.Find([]byte("none")) != nil || db.Has([]byte("none")) {
		t.Error("found a key that is not there")
	}
}

// TestTable runs random changes on a table and on a map.
func TestTable(t *testing.T) {
	var table Table[string]
	model := map[string]string{}
	randomChanges(t, model, func(key, value []byte) bool { return table.Put(key, string(value)) },
		table.Remove, table.Len)
	for key, want := range model {
		if table.Find([]byte(key)) != any(want) || !table.Has([]byte(key)) {
			t.Errorf("Find(%s) = %v, want %s", key, table.Find([]byte(key)), want)
		}
	}
	if table.Find([]byte("none")) != nil || table.Has([]byte("none")) {
		t.Error("found a key that is not there")
	}
}

// randomChanges grows and shrinks model and, with the given functions, what is
// compared with it, and ends with keys in them.
func randomChanges(t *testing.T, model map[string]string, put func(key, value []byte) bool,
	remove func(key []byte) bool, size func() int) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 52500 {
		key, value := fmt.Sprint(random.IntN(3000)), fmt.Sprint(n)
		_, has := model[key]
		if random.IntN(5000) > n%10000 { // more puts first, then more removals
			if added := put([]byte(key), []byte(value)); added == has {
				t.Fatalf("putting %s: it is new: %v", key, added)
			}
			model[key] = value
		} else {
			if removed := remove([]byte(key)); removed != has {
				t.Fatalf("removing %s: it was there: %v", key, removed)
			}
			delete(model, key)
		}
		if size() != len(model) {
			t.Fatalf("%d keys, want %d", size(), len(model))
		}
	}
	if len(model) < 100 {
		t.Fatalf("only %d keys at the end", len(model))
	}
}

func TestDatabaseShrinks(t *testing.T) {
	s, _ := newStore()
	db := &s.DBs[0]
	for i := range 10000 {
		put(db, fmt.Sprint(i), 2000)
	}
	for i := range 9990 {
		db.Remove(db.Find(fmt.Append(nil, i)))
	}
	if cap(db.items) > 1024 || cap(db.volatile) > 1024 || db.peak > 1024 {
		t.Errorf("10 keys in lists of %d and %d, in a map made for %d", cap(db.items),
			cap(db.volatile), db.peak)
	}
	for i := 9990; i < 10000; i++ {
		if db.Find(fmt.Append(nil, i)) == nil {
			t.Errorf("%d is lost", i)
		}
	}
}
