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

// Rows returns all rows, in no order. The list is the table's own.
func (t *Table[V]) Rows() []*Row[V] { return t.rows }

// Find returns the row of key, or nil.
func (t *Table[V]) Find(key []byte) *Row[V] { return t.index[string(key)] }

// Has reports whether there is a row of key.
func (t *Table[V]) Has(key []byte) bool { return t.Find(key) != nil }

// Get returns the value of key, or nil.
func (t *Table[V]) Get(key []byte) any {
	if row := t.Find(key); row != nil {
		return row.Value
	}
	return nil
}

// Put sets the value of key, and reports whether the key is new.
func (t *Table[V]) Put(key []byte, value V) bool {
	row := t.Find(key)
	isNew := row == nil
	if isNew {
		row = t.add(string(key))
	}
	row.Value = value
	return isNew
}

// add makes a row. Precondition: there is none with the key.
func (t *Table[V]) add(key string) *Row[V] {
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
	moved := t.rows[len(t.rows)-1]
	t.rows[row.place], moved.place = moved, row.place
	t.rows = cut(t.rows)
	if shrunk(len(t.rows), t.peak) {
		t.index = make(map[string]*Row[V], len(t.rows))
		for _, row := range t.rows {
			t.index[row.Key] = row
		}
		t.peak = len(t.rows)
	}
}

// Scan calls visit for up to count rows and returns the cursor for the next
// call. The walk begins with cursor 0 and has ended when it returns 0. It goes
// from the last row to the first: a removal moves only the last row, which was
// visited already or goes to a place still to come. So each row that stays for
// the whole walk is visited at least once. visit may delete the row it is
// given, and must not change the table otherwise.
func (t *Table[V]) Scan(cursor uint64, count int, visit func(*Row[V])) uint64 {
	i := uint64(len(t.rows))
	if cursor != 0 {
		i = min(i, cursor)
	}
	for ; i > 0 && count > 0; count-- {
		i--
		visit(t.rows[i])
	}
	return i
}

// cut removes the last element of s, and moves to a smaller place after a
// large shrink.
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
