package main

import "testing"

// BenchmarkCommands is what every invocation pays for the command line.
func BenchmarkCommands(b *testing.B) {
	for b.Loop() {
		(&app{log: newLog(nil)}).rootCommand()
	}
}
