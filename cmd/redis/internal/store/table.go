package store

// Table is a map that can also be walked in steps and picked from at random,
// at the same cost as a map: an index by key, and all rows in a slice. Removing
// a row moves the last one into its place. The zero value is an empty table.
//
// A Go map never gives memory back, so after a large shrink the table moves
// to a new one.
type Table[V any] struct {
	index map[string]*Row[V]
	rows  []*Row[V]
	peak  int // most rows since index was made
}

// Row is one entry of a Table.
type Row[V any] struct {
	Key   string
	Value V
	place int // in Table.rows
}

// Len returns the number of rows.
func (t *Table[V]) Len() int { return len(t.rows) }

// At returns row i of Len.
func (t *Table[V]) At(i int) *Row[V] { return t.rows[i] }

// Find returns the row of key, or nil.
func (t *Table[V]) Find(key []byte) *Row[V] {
	return t.index[string(key)] // does not allocate
}

// Put sets the value of key, and reports whether the key is new.
func (t *Table[V]) Put(key []byte, value V) bool {
	if row := t.Find(key); row != nil {
		row.Value = value
		return false
	}
	t.Add(string(key)).Value = value
	return true
}

// Add makes a row. Precondition: there is none with the key.
func (t *Table[V]) Add(key string) *Row[V] {
	if t.index == nil {
		t.index = make(map[string]*Row[V])
	}
	row := &Row[V]{Key: key, place: len(t.rows)}
	t.index[key] = row
	t.rows = append(t.rows, row)
	t.peak = max(t.peak, len(t.rows))
	return row
}

// Delete removes key, and reports whether it was there.
func (t *Table[V]) Delete(key []byte) bool {
	row := t.Find(key)
	if row != nil {
		t.Remove(row)
	}
	return row != nil
}

// Remove removes a row that is in the table.
func (t *Table[V]) Remove(row *Row[V]) {
	delete(t.index, row.Key)
	last := len(t.rows) - 1
	t.rows[row.place] = t.rows[last]
	t.rows[row.place].place = row.place
	t.rows[last] = nil
	t.rows = t.rows[:last]
	if shrunk(last, t.peak) {
		t.rebuild()
	}
}

// Scan calls visit for up to count rows and returns the cursor for the next
// call. The walk begins with cursor 0 and has ended when it returns 0. It goes
// from the last row to the first: a Delete moves only the last row, which was
// visited already or goes to a place still to come. So each row that stays for
// the whole walk is visited at least once. visit may delete the row it is
// given, and must not change the table otherwise.
func (t *Table[V]) Scan(cursor uint64, count int, visit func(*Row[V])) uint64 {
	i := uint64(len(t.rows))
	if cursor != 0 && cursor < i {
		i = cursor
	}
	for ; i > 0 && count > 0; count-- {
		i--
		visit(t.rows[i])
	}
	return i
}

func (t *Table[V]) rebuild() {
	t.index = make(map[string]*Row[V], len(t.rows))
	for _, row := range t.rows {
		t.index[row.Key] = row
	}
	t.rows = append(make([]*Row[V], 0, len(t.rows)), t.rows...)
	t.peak = len(t.rows)
}

// shrunk reports whether a container that held peak entries and holds n now
// should move to a smaller place. The factor makes the cost of moving n
// entries small against that of the removals before it.
func shrunk(n, peak int) bool { return peak >= 1024 && n <= peak/8 }
