package cgroup

import (
	"fmt"

	"github.com/opencontainers/cgroups"
)

// Stats are the counters of a cgroup, as the library defines them.
type Stats = cgroups.Stats

// Stats reads the counters of all controllers.
func (c *Cgroup) Stats() (*Stats, error) {
	m, err := c.manager(&cgroups.Resources{})
	if err != nil {
		return nil, err
	}
	stats, err := m.GetStats()
	if err != nil {
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	return stats, nil
}
