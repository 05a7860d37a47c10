package main

import "io"

// side is one side of two pipes between goroutines.
type side struct {
	reader *io.PipeReader
	writer *io.PipeWriter
}

// pipe plays both sides of io.Pipe. All processor time is the initiator's: goroutines have none of their own.
func pipe(t task, initiator, responder *wire) error {
	requests, requestWriter := io.Pipe()
	replies, replyWriter := io.Pipe()
	ours, theirs := side{replies, requestWriter}, side{requests, replyWriter}
	p := newPattern(t)
	other := make(chan error)
	go func() {
		err := responder.opened(map[string]string{})
		if err == nil {
			buf := make([]byte, t.Case.Size)
			err = responder.windows(func(first, count uint64) (part, error) {
				return theirs.respond(t.Case.Scenario, p, first, count, buf)
			})
		}
		other <- err
	}()
	if err := initiator.opened(map[string]string{"processor time": "all of it with the initiator"}); err != nil {
		return err
	}
	buf := make([]byte, t.Case.Size)
	err := initiator.windows(func(first, count uint64) (part, error) {
		return ours.initiate(t.Case.Scenario, p, first, count, buf)
	})
	if err != nil {
		return err
	}
	return <-other
}

func (s side) initiate(scenario string, p pattern, number, count uint64, buf []byte) (part, error) {
	before := used()
	answer, took := make([]byte, len(buf)), latencies{}
	result := part{Start: now()}
	for end := number + count; number < end; number++ {
		p.fill(request, number, buf)
		sent := now()
		if _, err := s.writer.Write(buf); err != nil {
			return part{}, err
		}
		if scenario == "pingpong" {
			if _, err := io.ReadFull(s.reader, answer); err != nil {
				return part{}, err
			}
			took.add(max(1, now()-sent))
			result.Verified++
			result.Fault = first(result.Fault, p.check(reply, number, answer))
		}
	}
	result.Latencies = took.buckets()
	return result.finish(before), nil
}

func (s side) respond(scenario string, p pattern, number, count uint64, buf []byte) (part, error) {
	result := part{Start: now(), Verified: count}
	for end := number + count; number < end; number++ {
		if _, err := io.ReadFull(s.reader, buf); err != nil {
			return part{}, err
		}
		result.Fault = first(result.Fault, p.check(request, number, buf))
		if scenario == "pingpong" {
			p.fill(reply, number, buf)
			if _, err := s.writer.Write(buf); err != nil {
				return part{}, err
			}
		}
	}
	result = result.finish(used())
	return result, nil
}
