package main

import (
	"math/bits"
	"sort"
	"syscall"
	"time"
	"unsafe"
)

const (
	clockMonotonic = 1
	clockProcess   = 2
)

// base ties Go's own monotonic readings, which need no system call, to the clock that all peers share.
var base, baseNs = time.Now(), read(clockMonotonic)

// now is the time in nanoseconds on the clock that all peers share.
func now() uint64 {
	return baseNs + uint64(time.Since(base))
}

func read(clock uintptr) uint64 {
	var at syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&at)), 0)
	return uint64(at.Nano())
}

// usage is what a process used of the machine: the `Usage` of control.rs.
type usage struct {
	CPU         uint64 `json:"cpu_ns"`
	Voluntary   uint64 `json:"voluntary"`
	Involuntary uint64 `json:"involuntary"`
}

func used() usage {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return usage{}
	}
	return usage{CPU: read(clockProcess), Voluntary: uint64(r.Nvcsw), Involuntary: uint64(r.Nivcsw)}
}

func (u usage) since(before usage) usage {
	return usage{u.CPU - before.CPU, u.Voluntary - before.Voluntary, u.Involuntary - before.Involuntary}
}

// latencies counts values rounded up to eleven binary digits, which is a two-thousandth at most.
type latencies map[uint64]uint64

func (l latencies) add(ns uint64) {
	shift := max(0, bits.Len64(ns)-11)
	l[ns|(1<<shift-1)]++
}

func (l latencies) buckets() [][2]uint64 {
	buckets := make([][2]uint64, 0, len(l))
	for value, count := range l {
		buckets = append(buckets, [2]uint64{value, count})
	}
	sort.Slice(buckets, func(i, j int) bool { return buckets[i][0] < buckets[j][0] })
	return buckets
}
