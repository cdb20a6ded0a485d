//go:build race

package inflate

// fewer divides how often tests with random streams try. The race detector
// makes them ten times as slow, and has nothing to find in them.
const fewer = 20
