# Changes to runtime/proc.go of Go for bin/runtime, by hack/build, which makes
# sure that the two functions are those that we know: docs/decisions/0017.

# While package main and all that it imports is initialised, the main goroutine
# is locked to its thread. Go locks it before it waits for the goroutines of the
# collector, which then need a second thread, and four switches from one to the
# other. Here they run first. Nothing else is there to take the main thread away.
/^func main() {$/,/^}$/ {
	/^	lockOSThread()$/d
	s/^	gcenable()$/&\n	lockOSThread()/
}

# The thread that watches over goroutines which hold a processor too long looks
# every 20 µs at first and takes the time from the main thread, as it wakes on
# the same processor. After a millisecond it would look half as often, and so
# on. Here it begins as if it had come to 1 ms: most commands end before the
# second look.
/^func sysmon() {$/,/^}$/ {
	s/^	idle := 0 /	idle := 51 /
	s/^	delay := uint32(0)$/	delay := uint32(500)/
}
