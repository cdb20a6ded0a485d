package store

// Table is a map that can also be walked in steps and picked from at random,
// at the same cost as a map: an index by key over a slice of rows. Removing a
// row moves the last one into its place. The zero value is an empty table.
//
// A Go map never gives memory back, so after a large shrink the table moves
// to a new one.
type Table[V any] struct {
	index map[string]int
	rows  []Row[V]
	peak  int // most rows since index was made
}

// Row is one entry of a Table.
type Row[V any] struct {
	Key   string
	Value V
}

// Len returns the number of rows.
func (t *Table[V]) Len() int { return len(t.rows) }

// At returns row i of Len. The pointer is valid until the next Put or Delete.
func (t *Table[V]) At(i int) *Row[V] { return &t.rows[i] }

// Find returns the row of key, or nil. The pointer is valid until the next
// Put or Delete.
func (t *Table[V]) Find(key []byte) *Row[V] {
	i, ok := t.index[string(key)] // does not allocate
	if !ok {
		return nil
	}
	return &t.rows[i]
}

// Put sets the value of key, and reports whether the key is new.
func (t *Table[V]) Put(key []byte, value V) bool {
	if row := t.Find(key); row != nil {
		row.Value = value
		return false
	}
	t.add(string(key), value)
	return true
}

// add appends a row. Precondition: there is none with the key.
func (t *Table[V]) add(key string, value V) {
	if t.index == nil {
		t.index = make(map[string]int)
	}
	t.index[key] = len(t.rows)
	t.rows = append(t.rows, Row[V]{key, value})
	t.peak = max(t.peak, len(t.rows))
}

// Delete removes key, and reports whether it was there.
func (t *Table[V]) Delete(key []byte) bool {
	i, ok := t.index[string(key)]
	if !ok {
		return false
	}
	t.removeAt(i)
	return true
}

func (t *Table[V]) removeAt(i int) {
	delete(t.index, t.rows[i].Key)
	last := len(t.rows) - 1
	if i != last {
		t.rows[i] = t.rows[last]
		t.index[t.rows[i].Key] = i
	}
	t.rows[last] = Row[V]{}
	t.rows = t.rows[:last]
	if shrunk(len(t.rows), t.peak) {
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
		visit(&t.rows[i])
	}
	return i
}

func (t *Table[V]) rebuild() {
	index := make(map[string]int, len(t.rows))
	for i := range t.rows {
		index[t.rows[i].Key] = i
	}
	t.index = index
	t.rows = append(make([]Row[V], 0, len(t.rows)), t.rows...)
	t.peak = len(t.rows)
}

// shrunk reports whether a container that held peak entries and holds n now
// should move to a smaller place. The factor makes the cost of moving n
// entries small against that of the removals before it.
func shrunk(n, peak int) bool { return peak >= 1024 && n <= peak/8 }
