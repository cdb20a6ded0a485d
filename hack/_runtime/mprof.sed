# A change to runtime/mprof.go of Go for bin/runtime, by hack/build:
# docs/decisions/0017. The linker turns the memory profile off in a program that
# never reads it, but by then the first allocation has been recorded, with its
# stack, in a table that is made for it. Here it is off from the beginning.
s/^var MemProfileRate int = 512 \* 1024$/var MemProfileRate int = 0/
