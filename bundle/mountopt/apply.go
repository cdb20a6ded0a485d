package mountopt

import "golang.org/x/sys/unix"

// msAtime are the flags of mount(2) for access times, of which at most one
// makes sense.
const msAtime = unix.MS_NOATIME | unix.MS_RELATIME | unix.MS_STRICTATIME

// apply adds one known option to the earlier ones.
func (p *Parsed) apply(e entry) {
	switch e.kind {
	case set:
		turnOn(&p.Set, &p.Clear, e.flags)
	case clear:
		turnOff(&p.Set, &p.Clear, e.flags)
	case recSet:
		turnOn(&p.RecAttrSet, &p.RecAttrClr, e.attr)
	case recClear:
		turnOff(&p.RecAttrSet, &p.RecAttrClr, e.attr)
	case atime:
		p.Set &^= msAtime
		turnOn(&p.Set, &p.Clear, e.flags)
	case recAtime:
		chooseAtime(&p.RecAttrSet, &p.RecAttrClr, e.attr)
	case recNoAtime:
		leaveAtime(&p.RecAttrSet, &p.RecAttrClr, e.attr)
	case propagation:
		p.Propagation = append(p.Propagation, e.flags)
	case bindMount:
		p.Bind = true
	case rbindMount:
		p.Bind, p.Recursive = true, true
	case tmpCopyUp:
		p.TmpCopyUp = true
	case idMap:
		p.IDMap = true
	case ridMap:
		p.RIDMap = true
	case none:
	}
}

func turnOn[T uintptr | uint64](set, clear *T, bits T) {
	*set |= bits
	*clear &^= bits
}

func turnOff[T uintptr | uint64](set, clear *T, bits T) {
	*set &^= bits
	*clear |= bits
}

// chooseAtime sets the field for access times. mount_setattr(2) demands the
// whole field in attr_clr for a change.
func chooseAtime(set, clear *uint64, value uint64) {
	*set = *set&^unix.MOUNT_ATTR__ATIME | value
	*clear |= unix.MOUNT_ATTR__ATIME
}

// leaveAtime goes back to the kernel's default, relatime, unless an earlier
// option has chosen another value: "rstrictatime,ratime" stays strict, because
// "ratime" only takes "rnoatime" back.
func leaveAtime(set, clear *uint64, value uint64) {
	chosen := *clear&unix.MOUNT_ATTR__ATIME != 0
	if !chosen || *set&unix.MOUNT_ATTR__ATIME == value {
		chooseAtime(set, clear, unix.MOUNT_ATTR_RELATIME)
	}
}
