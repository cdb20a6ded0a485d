//go:build !race

package inflate

const fewer = 1
