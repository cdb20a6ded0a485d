package plan

import (
	"path"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// clone ends the host's list with the first process, and with what that is born
// with.
func (c *compiler) clone() {
	channels := OpenChannels{InState: c.WaitForStart}
	for _, step := range c.steps {
		if gate, ok := step.Op.(Gate); ok {
			channels.Gates = append(channels.Gates, gate.Name)
		}
	}
	c.add(Host, "", channels)
	c.linkTargets()
	c.add(Host, "", OpenCgroup{FollowInit: c.followInit && c.Facts.CgroupV2})
	if p := c.Spec.Process; p != nil && p.Terminal {
		c.add(Host, "process.terminal", OpenConsole{Socket: c.ConsoleSocket})
	}
	c.add(Host, "", Assemble{})
	if c.ownNetwork {
		c.add(Host, c.namespaceField(specs.NetworkNamespace), AwaitNetwork{})
	}
	if !c.gateWaits() {
		c.add(Host, "", OpenGate{Name: GateStart})
	}
	c.add(Host, "", Clone{Flags: c.cloned, IntoCgroup: c.Facts.CgroupV2})
}

// linkTargets adds MakeLinkTargets for the mounts, devices and directories of
// the child that no mount before them covers.
func (c *compiler) linkTargets() {
	op := MakeLinkTargets{Root: c.Rootfs}
	var covered Mounts
	listed := make(map[LinkTarget]bool)
	target := func(t LinkTarget) {
		if on, _ := covered.At(t.Path); on < 0 && !listed[t] {
			op.Targets = append(op.Targets, t)
		}
		listed[t] = true
	}
	for _, step := range c.steps {
		switch op := step.Op.(type) {
		case MountFS:
			if !op.NoFollow {
				target(LinkTarget{Path: op.Target})
			}
			covered.Add(op.Target, false)
		case AttachTree:
			if !op.NoFollow {
				target(LinkTarget{Path: op.Target, Tree: op.Tree})
			}
			covered.Add(op.Target, false)
		case BindInside: // directory or file: that is known when it is mounted
			covered.Add(op.Target, false)
		case Console:
			if op.Mount {
				target(LinkTarget{Path: "/dev/console", File: true})
				covered.Add("/dev/console", false)
			}
		case MakeNode:
			target(LinkTarget{Path: path.Dir(op.Path)})
		case EnsureDir:
			target(LinkTarget{Path: op.Path})
		}
	}
	if len(op.Targets) > 0 {
		c.add(Host, "", op)
	}
}

// gateWaits says whether the process waits at its last gate. One that joins a
// container need not, if the parent has nothing to do meanwhile.
func (c *compiler) gateWaits() bool {
	return !c.joins || slices.ContainsFunc(c.steps, func(s Step) bool {
		gate, ok := s.Op.(OpenGate)
		return ok && gate.Name == GateStart
	})
}

// parent adds what the parent does from the fork on, up to the program: with
// `create`, up to where the process waits for `start`.
func (c *compiler) parent() {
	before := len(c.steps)
	if c.listens {
		c.takeListener()
		c.add(Parent, "linux.seccomp", OpenGate{Name: GateListener})
	}
	if c.joinsPID() {
		c.add(Parent, "", Adopt{Record: !c.joins})
	}
	if p := c.Spec.Process; p != nil && p.OOMScoreAdj != nil {
		c.add(Parent, "process.oomScoreAdj", SetOOMScore{Value: *p.OOMScoreAdj})
	}
	c.steps = append(c.steps, c.forked...)
	if c.startGate().Report {
		c.add(Parent, "", AwaitGate{Name: GateStart})
	}
	if c.listens {
		c.releaseListener()
	}
	if c.WaitForStart {
		c.receiveConsole()
		c.add(Parent, "", RecordCreated{})
	}
	if c.PidFile != "" {
		c.add(Parent, "", WritePidFile{Path: c.PidFile})
	}
	if !c.WaitForStart {
		c.start(len(c.steps) > before)
	}
}

// start adds what takes the process from its last gate to the program. busy is
// whether it has to wait at the gate for what the parent does before.
func (c *compiler) start(busy bool) {
	if h := c.Spec.Hooks; h != nil {
		c.runHooks("startContainer", h.StartContainer)
	}
	late := c.lateFilter != nil && c.lateFilter.Listens()
	if !c.joins || busy || late {
		c.add(Parent, "", OpenGate{Name: GateStart})
	}
	c.receiveConsole()
	if late {
		c.takeListener()
		c.releaseListener()
		c.add(Parent, "linux.seccomp", OpenGate{Name: GateListener})
	}
	c.add(Parent, "", AwaitProgram{})
	if c.joins {
		return
	}
	c.add(Parent, "", RecordStarted{})
	if h := c.Spec.Hooks; h != nil {
		c.runHooks("poststart", h.Poststart)
	}
}

// receiveConsole adds how this process gets the console, if nobody else does.
func (c *compiler) receiveConsole() {
	if p := c.Spec.Process; p != nil && p.Terminal && c.ConsoleSocket == "" {
		c.add(Parent, "process.terminal", ReceiveConsole{})
	}
}

func (c *compiler) takeListener() { c.add(Parent, "linux.seccomp", TakeListener{}) }

func (c *compiler) releaseListener() {
	var op ReleaseListener
	if s := c.Spec.Linux.Seccomp; s != nil && c.Seccomp.Notify {
		op = ReleaseListener{Agent: s.ListenerPath, Metadata: s.ListenerMetadata}
	}
	c.add(Parent, "linux.seccomp", op)
}

// runHooks adds a list of hooks, if there are some.
func (c *compiler) runHooks(name string, hooks []specs.Hook) {
	if len(hooks) > 0 {
		c.add(Parent, "hooks."+name, RunHooks{Name: name, Count: len(hooks),
			InContainer: name == "createContainer" || name == "startContainer"})
	}
}
