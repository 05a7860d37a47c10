// Command ipcbench plays the sides of two rows of ipc-bench in Go, because they are what users of this project come from: io.Pipe
// between goroutines, and net/rpc over a Unix socket.
//
// ipc-bench builds it with `go build` where Go is installed and starts it as a peer. It speaks the same protocol as
// the peers in Rust: commands come as JSON lines on standard input; standard output is the socket to the other peer, or,
// where both sides are goroutines of this process, the second control socket.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// task is what ipc-bench hands over on the command line: the `Task` of control.rs.
type task struct {
	Case struct {
		Scenario string `json:"scenario"`
		Size     int    `json:"size"`
		Buffer   *int   `json:"buffer"`
		Row      struct {
			Transport string `json:"transport"`
		} `json:"row"`
	} `json:"case"`
	Key     uint64 `json:"key"`
	Payload string `json:"payload"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "ipcbench:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 3 {
		return fmt.Errorf("this is a part of `ipc-bench run`, which starts it by itself")
	}
	var t task
	if err := json.Unmarshal([]byte(os.Args[2]), &t); err != nil {
		return err
	}
	control := newWire(os.Stdin)
	switch t.Case.Row.Transport + " " + os.Args[1] {
	case "go-pipe both":
		return pipe(t, control, newWire(os.Stdout))
	case "go-rpc initiator":
		return call(t, control)
	case "go-rpc responder":
		return serve(t, control)
	}
	return fmt.Errorf("no row is called %s, %s", t.Case.Row.Transport, os.Args[1])
}
