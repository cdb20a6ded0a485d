package store

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestTable runs random changes on a table and on a map.
func TestTable(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var table Table[int]
	model := map[string]int{}
	for n := range 52500 { // ends with rows in it
		key := fmt.Sprint(random.IntN(3000))
		_, has := model[key]
		if random.IntN(5000) > n%10000 { // more puts first, then more deletes
			if added := table.Put([]byte(key), n); added == has {
				t.Fatalf("Put(%s) = %v", key, added)
			}
			model[key] = n
		} else {
			if deleted := table.Delete([]byte(key)); deleted != has {
				t.Fatalf("Delete(%s) = %v", key, deleted)
			}
			delete(model, key)
		}
		if table.Len() != len(model) {
			t.Fatalf("Len() = %d, want %d", table.Len(), len(model))
		}
	}
	if len(model) < 100 {
		t.Fatalf("only %d rows at the end", len(model))
	}
	for key, want := range model {
		if row := table.Find([]byte(key)); row == nil || row.Value != want || row.Key != key {
			t.Errorf("Find(%s) = %v, want %d", key, row, want)
		}
	}
	if rows := table.Rows(); len(rows) != len(model) {
		t.Errorf("%d rows, want %d", len(rows), len(model))
	}
	for i, row := range table.Rows() {
		if model[row.Key] != row.Value || !table.Has([]byte(row.Key)) || table.Get([]byte(row.Key)) != any(row.Value) {
			t.Errorf("row %d is %v", i, row)
		}
	}
	if table.Find([]byte("none")) != nil || table.Has([]byte("none")) || table.Get([]byte("none")) != nil {
		t.Error("found a key that is not there")
	}
}

func TestTableShrinks(t *testing.T) {
	var table Table[struct{}]
	for i := range 10000 {
		table.Put(fmt.Append(nil, i), struct{}{})
	}
	for i := range 9990 {
		table.Delete(fmt.Append(nil, i))
	}
	if cap(table.rows) > 1024 || table.peak > 1024 {
		t.Errorf("10 rows in a slice of %d, in a map made for %d", cap(table.rows), table.peak)
	}
	for i := 9990; i < 10000; i++ {
		if table.Find(fmt.Append(nil, i)) == nil {
			t.Errorf("%d is lost", i)
		}
	}
}

// TestScanSeesWhatStays changes a table during a walk: every row that is there
// all the time must be visited.
func TestScanSeesWhatStays(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 200 {
		var table Table[bool]
		n := 1 + random.IntN(300)
		for i := range n {
			table.Put(fmt.Append(nil, i), i%3 == 0)
		}
		seen := map[string]bool{}
		var cursor uint64
		for {
			cursor = table.Scan(cursor, 1+random.IntN(20), func(row *Row[bool]) {
				seen[row.Key] = true
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
					table.Delete(fmt.Append(nil, i))
				} else {
					table.Put(fmt.Append(nil, i), false)
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

func TestScanDeletes(t *testing.T) {
	var table Table[int]
	for i := range 100 {
		table.Put(fmt.Append(nil, i), i)
	}
	visits := 0
	for cursor := uint64(0); ; {
		cursor = table.Scan(cursor, 7, func(row *Row[int]) {
			visits++
			if row.Value%2 == 0 {
				table.Delete([]byte(row.Key))
			}
		})
		if cursor == 0 {
			break
		}
	}
	if visits != 100 || table.Len() != 50 {
		t.Errorf("%d visits, %d rows left, want 100 and 50", visits, table.Len())
	}
	if next := table.Scan(1<<40, 1000, func(*Row[int]) { visits++ }); next != 0 || visits != 150 {
		t.Errorf("a cursor beyond the end: next is %d after %d visits", next, visits)
	}
}
