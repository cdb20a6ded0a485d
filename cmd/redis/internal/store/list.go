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
func (l *List) At(i int) string { return l.ring[(l.head+i)&(len(l.ring)-1)] }

// PushBack appends s.
func (l *List) PushBack(s string) {
	l.reserve()
	l.ring[(l.head+l.n)&(len(l.ring)-1)] = s
	l.n++
}

// PushFront puts s before all others.
func (l *List) PushFront(s string) {
	l.reserve()
	l.head = (l.head - 1) & (len(l.ring) - 1)
	l.ring[l.head] = s
	l.n++
}

// PopFront removes and returns the first element of a list that is not empty.
func (l *List) PopFront() string {
	s := l.take(l.head)
	l.head = (l.head + 1) & (len(l.ring) - 1)
	l.release()
	return s
}

// PopBack removes and returns the last element of a list that is not empty.
func (l *List) PopBack() string {
	s := l.take((l.head + l.n - 1) & (len(l.ring) - 1))
	l.release()
	return s
}

func (l *List) take(i int) string {
	s := l.ring[i]
	l.ring[i] = ""
	l.n--
	return s
}

func (l *List) reserve() {
	if l.n == len(l.ring) {
		l.move(max(4, 2*l.n))
	}
}

func (l *List) release() {
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
