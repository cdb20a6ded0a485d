// Package nearest finds the word that somebody who misspelt it probably meant.
package nearest

import "strings"

// maxLen bounds the work: longer words are not typing mistakes.
const maxLen = 64

// To returns the name that is nearest to word, or "" if none is near. At most a
// third of word's letters, but at least one of two, may be wrong, missing,
// superfluous or swapped with their neighbour. Case does not count. If several
// names are equally near, To returns the first. Names are ASCII.
func To(word string, names []string) string {
	lower := strings.ToLower(word) // may be longer than word
	if word == "" || len(lower) > maxLen {
		return ""
	}
	best, bestDist := "", limit(len(word))+1
	for _, name := range names {
		if name == word || len(name) > maxLen || abs(len(name)-len(lower)) >= bestDist {
			continue
		}
		if d := distance(lower, strings.ToLower(name)); d < bestDist {
			best, bestDist = name, d
		}
	}
	return best
}

// limit returns how many of n letters may be wrong.
func limit(n int) int {
	return max(min(1, n-1), n/3)
}

func abs(n int) int {
	return max(n, -n)
}

// distance counts the edits between a and b: the optimal string alignment
// distance, computed with the last three rows of its table.
func distance(a, b string) int {
	var rows [3][maxLen + 1]int
	older, old, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		old[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(old[j]+1, row[j-1]+1, old[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
		older, old, row = old, row, older
	}
	return old[len(b)]
}
