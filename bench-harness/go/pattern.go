package main

import "encoding/binary"

// direction keeps the echo of a message from passing for the answer to it.
type direction uint64

const (
	request direction = 0
	reply   direction = 0x5851_F42D_4C95_7F2D
)

const step = 0x9E37_79B9_7F4A_7C15

// pattern is what the messages hold, as pattern.rs defines it.
type pattern struct {
	key   uint64
	reach int
}

func newPattern(t task) pattern {
	if t.Payload == "header" {
		return pattern{t.Key, 8}
	}
	return pattern{t.Key, t.Case.Size}
}

func mix(value uint64) uint64 {
	value = (value ^ value>>30) * 0xBF58_476D_1CE4_E5B9
	value = (value ^ value>>27) * 0x94D0_49BB_1331_11EB
	return value ^ value>>31
}

// fill writes message number into buf.
func (p pattern) fill(d direction, number uint64, buf []byte) {
	word := mix(p.key ^ uint64(d) ^ mix(number))
	buf = buf[:min(len(buf), p.reach)]
	for len(buf) >= 8 {
		binary.LittleEndian.PutUint64(buf, word)
		word += step
		buf = buf[8:]
	}
	for i := range buf {
		buf[i] = byte(word >> (8 * i))
	}
}

// check compares buf with message number; nil if they are alike.
func (p pattern) check(d direction, number uint64, buf []byte) *fault {
	word := mix(p.key ^ uint64(d) ^ mix(number))
	rest, difference := buf[:min(len(buf), p.reach)], uint64(0)
	for len(rest) >= 8 {
		difference |= binary.LittleEndian.Uint64(rest) ^ word
		word += step
		rest = rest[8:]
	}
	for i := range rest {
		difference |= uint64(rest[i] ^ byte(word>>(8*i)))
	}
	if difference == 0 {
		return nil
	}
	sent := make([]byte, len(buf))
	p.fill(d, number, sent)
	for i := 0; i < min(len(buf), p.reach); i++ {
		if sent[i] != buf[i] {
			return &fault{number, i, sent[i], buf[i]}
		}
	}
	return nil
}

// first keeps the first fault of several.
func first(a, b *fault) *fault {
	if a != nil {
		return a
	}
	return b
}
