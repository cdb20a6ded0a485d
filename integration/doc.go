// Package integration tests the built tools from outside, as their users see
// them: real containers, real peers as oracles, and after each test the proof
// that no process, mount, cgroup or file is left. It needs root.
//
// Most tests are scripts in testdata/script, run by testscript. RUNTIME=NAME
// runs them with another runtime instead of ours, which shows whether a script
// asks for runc's behaviour or only for our own:
//
//	RUNTIME=runc go test -run Script ./integration
//
// TestAttack runs the attackers of ./attack against the runtime, each for some
// seconds or for ATTACK_SECONDS, and TestCrashCycles kills it CRASH_CYCLES
// times.
package integration
