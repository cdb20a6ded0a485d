package main

import (
	"math/rand/v2"
	"slices"
)

// quantile returns the q-quantile of sorted values, between neighbours by
// linear interpolation. It returns 0 for no values.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

func sorted(values []float64) []float64 {
	s := slices.Clone(values)
	slices.Sort(s)
	return s
}

func median(values []float64) float64 { return quantile(sorted(values), 0.5) }

// interval is a ratio of medians with the bounds between which 95% of the
// bootstrap samples lie.
type interval struct {
	Ratio float64 `json:"ratio"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// ratio compares the medians of a and b, which were measured in the same
// rounds: a bootstrap sample draws rounds, so that what disturbed a round
// counts for both. It gives the same answer each time.
func ratio(a, b []float64) interval {
	const samples = 2000
	n := min(len(a), len(b))
	if n == 0 {
		return interval{}
	}
	random := rand.New(rand.NewPCG(2, uint64(n)))
	ratios := make([]float64, samples)
	x, y := make([]float64, n), make([]float64, n)
	for i := range ratios {
		for j := range n {
			k := random.IntN(n)
			x[j], y[j] = a[k], b[k]
		}
		ratios[i] = median(x) / median(y)
	}
	slices.Sort(ratios)
	return interval{median(a) / median(b), quantile(ratios, 0.025), quantile(ratios, 0.975)}
}
