package container

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/plan"
)

// faults is a test that makes every single instruction of programs fail, over
// several bundles: what one of them goes round is tried again in the next.
type faults struct {
	*fixture
	reached map[string]bool // by key
}

// variant is one program whose instructions fail.
type variant struct {
	name string
	make func(id string) Options // a new bundle
	// carries it out: the error of the failure, or nil if the instruction was
	// gone round
	try func(o Options) error
	// the instructions to be tried; nil: those of a kind that was not reached
	// before
	which func(p *stage.Program, index int) bool
}

// attempt is one try to carry out a program that fails.
type attempt struct {
	index int
	step  plan.Step
	call  string
	key   string
}

// keys names each instruction by the kind of its operation, its call, and its
// place among those of the operation.
func keys(program *stage.Program) []string {
	list := make([]string, program.Len())
	var seen map[string]int
	last := plan.Step{}
	for i := range list {
		step, call, _ := program.Describe(i)
		if last.Op == nil || step.Field != last.Field || step.Op.String() != last.Op.String() {
			seen = make(map[string]int)
		}
		last = step
		key := strings.TrimPrefix(fmt.Sprintf("%T", step.Op), "plan.") + ": " + call
		seen[key]++
		list[i] = fmt.Sprintf("%s #%d", key, seen[key])
	}
	return list
}

// faultBatch is how many containers are made at the same time: most of the time
// is waiting for the kernel.
const faultBatch = 8

// all carries out a variant once for each instruction that was not reached
// before, and lets that one fail.
func (f *faults) all(v variant) {
	f.t.Helper()
	o := v.make(v.name)
	var program *stage.Program
	o.test.Prepare = func(p *stage.Program) *stage.Program { program = p; return p }
	before := f.world()
	if err := v.try(o); err != nil {
		f.t.Errorf("%s: %v", v.name, err)
		return
	}
	f.gone(o)
	names := keys(program)
	var batch []attempt
	for i := range program.Len() {
		if v.which != nil && !v.which(program, i) || v.which == nil && f.reached[names[i]] {
			continue
		}
		step, call, _ := program.Describe(i)
		if f.behindLastCapability(program, i) {
			continue
		}
		if !f.reached[names[i]] {
			f.reached[names[i]] = false
		}
		if batch = append(batch, attempt{index: i, step: step, call: call, key: names[i]}); len(
			batch) == faultBatch {
			f.batch(v, batch)
			batch = nil
		}
	}
	f.batch(v, batch)
	f.same(before)
}

// behindLastCapability says that an instruction drops a capability after the
// first one that this kernel does not know: the program has gone on with
// something else by then.
func (f *faults) behindLastCapability(program *stage.Program, index int) bool {
	f.t.Helper()
	step, _, _ := program.Describe(index)
	op, ok := step.Op.(plan.DropBounding)
	if !ok {
		return false
	}
	first := index
	for first > 0 {
		if before, _, _ := program.Describe(first - 1); before != step {
			break
		}
		first--
	}
	capability := -1
	for n := first; n <= index; n++ { // the capabilities that are not kept, in their order
		for capability++; op.Keep&(1<<capability) != 0; capability++ {
		}
	}
	text, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		f.t.Fatal(err)
	}
	last, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		f.t.Fatal(err)
	}
	return capability > last+1
}

// batch makes several containers at the same time, each with its own failing
// instruction.
func (f *faults) batch(v variant, batch []attempt) {
	f.t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, len(batch))
	before := f.world()
	for n, a := range batch {
		o := v.make(fmt.Sprintf("%s-%d", v.name, a.index))
		o.test.Prepare = func(p *stage.Program) *stage.Program {
			return p.WithFault(a.index,
				unix.EXDEV)
		}
		wg.Go(func() {
			errs[n] = v.try(o)
			f.gone(o)
		})
	}
	wg.Wait()
	f.same(before)
	for n, a := range batch {
		if errs[n] != nil {
			f.reached[a.key] = true
			f.checkFault(a, errs[n])
		}
	}
}

func (f *faults) checkFault(a attempt, err error) {
	f.t.Helper()
	if !errors.Is(err, unix.EXDEV) {
		f.t.Errorf("%s: error %v is not the injected one", a.key, err)
	}
	var execErr *ExecError
	switch a.step.Op.(type) {
	case plan.FindProgram, plan.Exec:
		if !errors.As(err, &execErr) {
			f.t.Errorf("%s: error %v, want an exec error", a.key, err)
		}
		return
	}
	var stepErr *StepError
	if !errors.As(err, &stepErr) || stepErr.Field != a.step.Field || stepErr.Call != a.call {
		f.t.Errorf("%s: error %v, want one for %s, %s", a.key, err, a.step.Field, a.call)
		return
	}
	if !strings.Contains(err.Error(), a.step.Field) || !strings.Contains(err.Error(), a.call) {
		f.t.Errorf("%s: text %q names neither %q nor %q", a.key, err, a.step.Field, a.call)
	}
	if a.step.Field != "" && stepErr.Problem.Line == 0 && stepErr.Problem.File != "container" {
		f.t.Errorf("%s: %q has no line", a.key, err)
	}
}

// summary fails the test unless all kinds of instructions were reached but for
// the expected ones.
func (f *faults) summary(expected ...string) {
	f.t.Helper()
	var missed []string
	for key, reached := range f.reached {
		if !reached {
			missed = append(missed, key)
		}
	}
	slices.Sort(missed)
	f.t.Logf("%d of %d kinds of instructions were reached", len(f.reached)-len(missed),
		len(f.reached))
	if !slices.Equal(missed, expected) {
		f.t.Errorf("never reached: %q, expected: %q", missed, expected)
	}
}
