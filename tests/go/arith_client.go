// Calls Arith with the standard library alone: arith_client NETWORK ADDRESS gob|json [brief].
package main

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"io"
	"log"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"strings"
)

type Args struct{ A, B int }

type Quotient struct{ Quo, Rem int }

type Reply struct{ C int }

func main() {
	if os.Getenv("GOB_NUMBERS") == "65" {
		// Current Go numbers types from 64; this takes that number away, and older Go began with the next.
		gob.NewEncoder(io.Discard).Encode(struct{ Unused int }{1})
	}
	log.SetFlags(0)
	dial := rpc.Dial
	if os.Args[3] == "json" {
		dial = jsonrpc.Dial
	}
	client, err := dial(os.Args[1], os.Args[2])
	if err != nil {
		log.Fatal("dialing: ", err)
	}
	args := &Args{17, 8}
	var product int
	if err := client.Call("Arith.Multiply", args, &product); err != nil {
		log.Fatal("Multiply: ", err)
	}
	fmt.Printf("Arith.Multiply: %d*%d=%d\n", args.A, args.B, product)

	quotient := new(Quotient)
	call := <-client.Go("Arith.Divide", args, quotient, nil).Done
	if call.Error != nil {
		log.Fatal("Divide: ", call.Error)
	}
	fmt.Printf("Arith.Divide: %d/%d=%d remainder %d\n", args.A, args.B, quotient.Quo, quotient.Rem)

	err = client.Call("Arith.Divide", &Args{17, 0}, quotient)
	fmt.Printf("Arith.Divide: %v\n", err)
	err = client.Call("Arith.Nope", args, &product)
	fmt.Printf("Arith.Nope: %v\n", err)
	if len(os.Args) > 4 {
		client.Close()
		return
	}

	// Zero replies, negative numbers, bytes, a wrong type, and many at once.
	var reply Reply
	if err := client.Call("Arith.Add", &Args{-7, 7}, &reply); err != nil || reply.C != 0 {
		log.Fatal("Add to zero: ", err, reply)
	}
	if err := client.Call("Arith.Add", &Args{-1 << 62, -5}, &reply); err != nil || reply.C != -1<<62-5 {
		log.Fatal("Add below zero: ", err, reply)
	}
	if err := client.Call("Arith.Multiply", &Args{0, 5}, &product); err != nil || product != 0 {
		log.Fatal("Multiply by zero: ", err, product)
	}
	for _, size := range []int{0, 1, 255, 256, 100000} {
		sent := bytes.Repeat([]byte{0xff, 0x00, 'x'}, size)
		var got []byte
		if err := client.Call("Arith.Echo", sent, &got); err != nil || !bytes.Equal(sent, got) {
			log.Fatal("Echo: ", size, err, len(got))
		}
	}
	if err := client.Call("Arith.Multiply", "a string", &product); err == nil {
		log.Fatal("a string was multiplied")
	}
	if err := client.Call("Arith.Panic", args, &reply); err == nil || !strings.Contains(err.Error(), "panicked") {
		log.Fatal("Panic: ", err)
	}
	calls := make(chan *rpc.Call, 100)
	for i := 0; i < 100; i++ {
		client.Go("Arith.Add", &Args{i, i}, new(Reply), calls)
	}
	for i := 0; i < 100; i++ {
		call := <-calls
		if call.Error != nil || call.Reply.(*Reply).C != 2*call.Args.(*Args).A {
			log.Fatal("many: ", call.Error)
		}
	}
	if err := client.Close(); err != nil {
		log.Fatal("closing: ", err)
	}
	fmt.Println("all the rest: ok")
}
