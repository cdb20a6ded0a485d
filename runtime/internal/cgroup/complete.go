package cgroup

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// complete adds to r, which changes limits, the present values that belong to
// them. Cgroup v2 has one file for the CPU quota and its period, and limits
// swap by itself where r limits memory and swap together: cgroup-v2.rst,
// cpu.max and memory.swap.max. It changes nothing if a controller is missing,
// which apply reports.
func (c *Cgroup) complete(r *specs.LinuxResources) (*specs.LinuxResources, error) {
	if c.mode != V2 || r == nil {
		return r, nil
	}
	whole := *r
	var err error
	if whole.CPU, err = c.completeCPU(r.CPU); err != nil {
		return nil, err
	}
	whole.Memory, err = c.completeMemory(r.Memory)
	return &whole, err
}

func (c *Cgroup) completeCPU(cpu *specs.LinuxCPU) (*specs.LinuxCPU, error) {
	if cpu == nil || (value(cpu.Quota) == 0) == (value(cpu.Period) == 0) {
		return cpu, nil
	}
	present, err := c.numbers("cpu.max", 2)
	if gone(err) {
		return cpu, nil
	}
	if err != nil {
		return nil, err
	}
	whole := *cpu
	if value(cpu.Quota) == 0 {
		whole.Quota = &present[0]
	} else {
		period := uint64(present[1])
		whole.Period = &period
	}
	return &whole, nil
}

func (c *Cgroup) completeMemory(m *specs.LinuxMemory) (*specs.LinuxMemory, error) {
	limit, swap := value(value(m).Limit), value(value(m).Swap)
	// Without a limit on either there is nothing to add.
	if limit <= 0 && swap <= 0 || limit != 0 && swap != 0 {
		return m, nil
	}
	memory, err := c.numbers("memory.max", 1)
	if gone(err) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	whole := *m
	if limit == 0 {
		whole.Limit = &memory[0]
		return &whole, nil
	}
	swapOnly, err := c.numbers("memory.swap.max", 1)
	if gone(err) { // no swap
		return m, nil
	}
	if err != nil || swapOnly[0] < 0 || memory[0] < 0 {
		return m, err
	}
	total := memory[0] + swapOnly[0]
	if total < limit {
		return nil, fmt.Errorf("%s: memory and swap together are limited to %d bytes, less than "+
			"the %d for memory alone: raise that limit too",
			c.paths[unified], total, limit)
	}
	whole.Swap = &total
	return &whole, nil
}

// numbers reads the first n numbers of a file of the cgroup; "max" is -1.
func (c *Cgroup) numbers(file string, n int) ([]int64, error) {
	text, err := readFile(c.paths[unified], file)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(c.paths[unified], file)
	var numbers []int64
	for _, field := range strings.Fields(text) {
		number := int64(-1)
		if field != "max" {
			if number, err = strconv.ParseInt(field, 10, 64); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
		}
		numbers = append(numbers, number)
	}
	if len(numbers) < n {
		return nil, fmt.Errorf("%s holds %q, not %d numbers", path, text, n)
	}
	return numbers, nil
}
