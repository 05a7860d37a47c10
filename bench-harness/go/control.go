package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"runtime"
)

// wire is a peer's end of a control socket.
type wire struct {
	lines *bufio.Reader
	file  *os.File
}

func newWire(file *os.File) *wire {
	return &wire{lines: bufio.NewReader(file), file: file}
}

func (w *wire) send(answer any) error {
	line, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	_, err = w.file.Write(append(line, '\n'))
	return err
}

func (w *wire) opened(facts map[string]string) error {
	facts["go"] = runtime.Version()
	return w.send(map[string]any{"opened": map[string]any{"facts": facts}})
}

// fail says that the transport broke; the error is reported there, not by this process.
func (w *wire) fail(err error) error {
	return w.send(map[string]any{"failed": map[string]any{"reason": err.Error()}})
}

func (w *wire) done(p part) error {
	return w.send(map[string]any{"done": p})
}

// window returns how many messages the next window has; io.EOF once ipc-bench hung up.
func (w *wire) window() (uint64, error) {
	line, err := w.lines.ReadBytes('\n')
	if err != nil {
		return 0, io.EOF
	}
	var command struct {
		Window struct {
			Count uint64 `json:"count"`
		} `json:"window"`
	}
	err = json.Unmarshal(line, &command)
	return command.Window.Count, err
}

// windows plays window after window until ipc-bench hangs up.
func (w *wire) windows(play func(first, count uint64) (part, error)) error {
	var first uint64
	for {
		count, err := w.window()
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		p, err := play(first, count)
		if err != nil {
			return w.fail(err)
		}
		first += count
		if err := w.done(p); err != nil {
			return err
		}
	}
}

// part is one side of one window: the `Part` of control.rs.
type part struct {
	Start     uint64      `json:"start_ns"`
	End       uint64      `json:"end_ns"`
	Usage     usage       `json:"usage"`
	Verified  uint64      `json:"verified"`
	Fault     *fault      `json:"fault"`
	Latencies [][2]uint64 `json:"latencies"`
	Stamps    []uint64    `json:"stamps"`
	Calls     *uint64     `json:"calls"`
}

// fault is the first wrong byte of a message.
type fault struct {
	Message  uint64 `json:"message"`
	Offset   int    `json:"offset"`
	Expected byte   `json:"expected"`
	Found    byte   `json:"found"`
}

// finish completes a part whose work began with before.
func (p part) finish(before usage) part {
	p.End = now()
	p.Usage = used().since(before)
	if p.Latencies == nil {
		p.Latencies = [][2]uint64{}
	}
	p.Stamps = []uint64{}
	return p
}
