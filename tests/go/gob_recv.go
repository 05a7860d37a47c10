// Receives one value as gob over TCP, with the standard library alone.
package main

import (
	"encoding/gob"
	"fmt"
	"log"
	"net"
)

type Data struct {
	Name  string
	Value int
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on tcp:" + listener.Addr().String())
	conn, err := listener.Accept()
	if err != nil {
		log.Fatal(err)
	}
	var data Data
	if err := gob.NewDecoder(conn).Decode(&data); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("Received: %+v\n", data)
}
