package container

import "github.com/ocikit/ocikit/runtime/plan"

// The errors that callers of Create, Run, Start and Exec may branch on.
type (
	// StepError is a step of the plan that failed.
	StepError = plan.StepError
	// ExecError says why the program could not be executed.
	ExecError = plan.ExecError
)
