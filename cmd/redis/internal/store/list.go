package store

// List is a double-ended queue in a ring. The zero value is an empty list.
type List struct {
	ring []string // its length is a power of two, or 0
	head int      // index of the first element
	n    int
}

// Len returns the number of elements.
func (l *List) Len() int { return l.n }

// At returns element i, counted from the front.
func (l *List) At(i int) string { return *l.at(i) }

func (l *List) at(i int) *string { return &l.ring[(l.head+i)&(len(l.ring)-1)] }

// PushBack appends s.
func (l *List) PushBack(s string) {
	if l.n == len(l.ring) {
		l.move(max(4, 2*l.n))
	}
	l.n++
	*l.at(l.n - 1) = s
}

// PushFront puts s before all others.
func (l *List) PushFront(s string) {
	l.PushBack("")
	l.head-- // the place of the element just added
	*l.at(0) = s
}

// PopFront removes and returns the first element of a list that is not empty.
func (l *List) PopFront() string {
	s := *l.at(0)
	*l.at(0) = ""
	l.head++
	l.n--
	l.shrink()
	return s
}

// PopBack removes and returns the last element of a list that is not empty.
func (l *List) PopBack() string {
	s := *l.at(l.n - 1)
	*l.at(l.n - 1) = ""
	l.n--
	l.shrink()
	return s
}

func (l *List) shrink() {
	if shrunk(l.n, len(l.ring)) {
		l.move(len(l.ring) / 4)
	}
}

func (l *List) move(size int) {
	ring := make([]string, size)
	for i := range l.n {
		ring[i] = l.At(i)
	}
	l.ring, l.head = ring, 0
}
