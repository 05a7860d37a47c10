// Serves Arith with the standard library alone: arith_server NETWORK ADDRESS gob|json.
package main

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"time"
)

type Args struct{ A, B int }

type Quotient struct{ Quo, Rem int }

type Reply struct{ C int }

type Arith int

func (t *Arith) Multiply(args *Args, reply *int) error {
	*reply = args.A * args.B
	return nil
}

func (t *Arith) Divide(args *Args, quo *Quotient) error {
	if args.B == 0 {
		return errors.New("divide by zero")
	}
	quo.Quo = args.A / args.B
	quo.Rem = args.A % args.B
	return nil
}

func (t *Arith) Add(args *Args, reply *Reply) error {
	reply.C = args.A + args.B
	return nil
}

func (t *Arith) Echo(args []byte, reply *[]byte) error {
	*reply = args
	return nil
}

func (t *Arith) SleepMilli(millis int, reply *Reply) error {
	time.Sleep(time.Duration(millis) * time.Millisecond)
	reply.C = millis
	return nil
}

func main() {
	if os.Getenv("GOB_NUMBERS") == "65" {
		// Current Go numbers types from 64; this takes that number away, and older Go began with the next.
		gob.NewEncoder(io.Discard).Encode(struct{ Unused int }{1})
	}
	rpc.Register(new(Arith))
	listener, err := net.Listen(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if os.Args[1] == "unix" {
		fmt.Println("listening on unix:" + os.Args[2])
	} else {
		fmt.Println("listening on tcp:" + listener.Addr().String())
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		if os.Args[3] == "json" {
			go jsonrpc.ServeConn(conn)
		} else {
			go rpc.ServeConn(conn)
		}
	}
}
