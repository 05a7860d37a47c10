package main

import (
	"fmt"
	"net"
	"net/rpc"
	"os"
	"strconv"
	"sync"
)

// connection is the socket to the other peer, with buffers of the size of the case.
func connection(t task) (*net.UnixConn, map[string]string, error) {
	conn, err := net.FileConn(os.Stdout)
	if err != nil {
		return nil, nil, err
	}
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, nil, fmt.Errorf("standard output is no Unix socket")
	}
	facts := map[string]string{"codec": "gob"}
	if t.Case.Buffer != nil {
		half := *t.Case.Buffer / 2
		if err := unix.SetWriteBuffer(half); err != nil {
			return nil, nil, err
		}
		if err := unix.SetReadBuffer(half); err != nil {
			return nil, nil, err
		}
		facts["buffers asked for"] = strconv.Itoa(half)
	}
	return unix, facts, nil
}

// call plays the initiator: one call at a time.
func call(t task, control *wire) error {
	conn, facts, err := connection(t)
	if err != nil {
		return control.fail(err)
	}
	client := rpc.NewClient(conn)
	if err := control.opened(facts); err != nil {
		return err
	}
	p, buf := newPattern(t), make([]byte, t.Case.Size)
	return control.windows(func(number, count uint64) (part, error) {
		before, took := used(), latencies{}
		result := part{Start: now(), Verified: count}
		for end := number + count; number < end; number++ {
			p.fill(request, number, buf)
			var answer []byte
			sent := now()
			if err := client.Call("Bench.Exchange", buf, &answer); err != nil {
				return part{}, err
			}
			took.add(max(1, now()-sent))
			if len(answer) != len(buf) {
				return part{}, fmt.Errorf("a reply of %d bytes came for a request of %d", len(answer), len(buf))
			}
			result.Fault = first(result.Fault, p.check(reply, number, answer))
		}
		result.Latencies = took.buckets()
		return result.finish(before), nil
	})
}

// Bench is the service.
type Bench struct {
	pattern
	mutex    sync.Mutex
	changed  *sync.Cond
	answered uint64
	fault    *fault
}

// Exchange turns a request into its reply.
func (b *Bench) Exchange(message []byte, answer *[]byte) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.fault = first(b.fault, b.check(request, b.answered, message))
	*answer = message
	b.fill(reply, b.answered, *answer)
	b.answered++
	b.changed.Broadcast()
	return nil
}

// serve plays the responder: the server answers by itself, and the window ends with its last answer.
func serve(t task, control *wire) error {
	conn, facts, err := connection(t)
	if err != nil {
		return control.fail(err)
	}
	bench := &Bench{pattern: newPattern(t)}
	bench.changed = sync.NewCond(&bench.mutex)
	server := rpc.NewServer()
	if err := server.Register(bench); err != nil {
		return control.fail(err)
	}
	go server.ServeConn(conn)
	if err := control.opened(facts); err != nil {
		return err
	}
	return control.windows(func(number, count uint64) (part, error) {
		before := used()
		result := part{Start: now(), Verified: count}
		bench.mutex.Lock()
		for bench.answered < number+count {
			bench.changed.Wait()
		}
		result.Fault = bench.fault
		bench.mutex.Unlock()
		return result.finish(before), nil
	})
}
