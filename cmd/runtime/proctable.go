package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ocikit/ocikit/internal/printable"
)

// clockTicks is the unit of times in /proc per second: USER_HZ, which is 100
// on every architecture that Go supports (proc_pid_stat(5)).
const clockTicks = 100

// printProcessTable prints the table of "ps -ef" for hosts without ps(1).
// Processes that have ended meanwhile are left out.
func printProcessTable(w io.Writer, pids []int) error {
	boot, err := bootTime()
	if err != nil {
		return err
	}
	tab := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(tab, "UID\tPID\tPPID\tSTIME\tTIME\tCMD")
	for _, pid := range pids {
		p, err := readProcess(pid)
		if err != nil {
			continue
		}
		start := boot.Add(time.Duration(p.start) * time.Second / clockTicks)
		fmt.Fprintf(tab, "%s\t%d\t%d\t%s\t%s\t%s\n", ownerName(p.uid), pid, p.parent,
			start.Local().Format("15:04"), clock(p.ticks/clockTicks), printable.Text(p.command))
	}
	return tab.Flush()
}

// clock prints seconds as ps does.
func clock(seconds uint64) string {
	return fmt.Sprintf("%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}

// process is what the table shows of a process.
type process struct {
	uid, parent  int
	start, ticks uint64 // in clock ticks
	command      string
}

// readProcess reads a process's files in /proc.
func readProcess(pid int) (process, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return process{}, err
	}
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return process{}, err
	}
	cmdline, err := os.ReadFile(dir + "/cmdline")
	if err != nil {
		return process{}, err
	}
	p := process{command: strings.ReplaceAll(strings.TrimRight(string(cmdline), "\x00"), "\x00",
		" ")}
	p.uid, _ = strconv.Atoi(statusField(string(status), "Uid:"))
	if p.command == "" {
		p.command = "[" + statusField(string(status), "Name:") + "]"
	}
	name := strings.LastIndexByte(string(stat), ')')
	fields := strings.Fields(string(stat)[name+1:])
	if len(fields) < 20 {
		return process{}, fmt.Errorf("%s/stat: %d fields after the name", dir, len(fields))
	}
	// fields[0] is field 3 of proc_pid_stat(5).
	p.parent, _ = strconv.Atoi(fields[4-3])
	user, _ := strconv.ParseUint(fields[14-3], 10, 64)
	system, _ := strconv.ParseUint(fields[15-3], 10, 64)
	p.start, _ = strconv.ParseUint(fields[22-3], 10, 64)
	p.ticks = user + system
	return p, nil
}

// statusField returns the first word after a name in /proc/PID/status.
func statusField(status, name string) string {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			if words := strings.Fields(rest); len(words) > 0 {
				return words[0]
			}
		}
	}
	return ""
}

// bootTime returns when the machine was started.
func bootTime() (time.Time, error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, err
	}
	seconds, err := strconv.ParseInt(statusField(string(data), "btime"), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("/proc/stat: btime: %w", err)
	}
	return time.Unix(seconds, 0), nil
}
