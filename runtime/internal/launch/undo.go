package launch

import "errors"

// undo is a stack of what has to be done if the rest fails.
type undo []func() error

// add puts a function on the stack.
func (u *undo) add(f func() error) { *u = append(*u, f) }

// run calls the functions, the last one first, and returns their errors.
func (u *undo) run() error {
	var errs []error
	for i := len(*u) - 1; i >= 0; i-- {
		errs = append(errs, (*u)[i]())
	}
	*u = nil
	return errors.Join(errs...)
}
